"""What Dagster loads: `dagster dev -m ibkr_pipeline.definitions`."""

from ibkr_pipeline.defs.build import build_defs

defs = build_defs()
