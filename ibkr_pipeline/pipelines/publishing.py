"""Publish the read copy: what `show`, notebooks and BI tools open.

What lives here: which raw files its `raw.*` views list. What must not: how it is made
(`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import WIRE_DATASETS


def publish(workspace: Workspace) -> Path:
    """Publish the read copy and return its path. Readers of the old one keep it.

    Raises:
        WarehouseMissingError: If nothing was ever applied.
        BusyError: If the warehouse stayed locked.
    """
    return workspace.warehouse.publish_read_copy(raw_files(workspace))


def raw_files(workspace: Workspace) -> Mapping[str, Sequence[Path]]:
    """Return dataset -> its raw files that are there, oldest request first."""
    return {
        dataset.value: [
            path
            for row in reversed(workspace.control.requests(dataset=dataset))
            if row.raw_path is not None and row.environment is workspace.environment
            if (path := workspace.directory / row.raw_path).exists()
        ]
        for dataset in WIRE_DATASETS
    }
