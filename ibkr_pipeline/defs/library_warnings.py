"""Warnings of Dagster about features this project chose knowingly.

What lives here: which of them are silenced while definitions are built. What must not: silencing
anything a user could act on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def chosen_features() -> Iterator[None]:
    """Silence beta, preview and supersession warnings of Dagster while inside."""
    with warnings.catch_warnings():
        for category in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
            warnings.simplefilter("ignore", category=category)
        yield
