"""What can go wrong with the control store beside a lock and a full disk."""

from __future__ import annotations

from ibkr_pipeline.primitives.errors import PipelineError, Retryable, Terminal


class ControlUnavailableError(PipelineError, Retryable):
    """The control store's database does not answer."""


class ControlStoreError(PipelineError, Terminal):
    """The control store is damaged, or of a version this program does not know."""
