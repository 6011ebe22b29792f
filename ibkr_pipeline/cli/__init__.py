"""The command line: arguments in, one call into `pipelines/` or `defs/`, tables or JSON out.

Imports are lazy: `--help` and `show` need neither Dagster nor ib_async.
"""

from __future__ import annotations


def main() -> None:
    """Run `ibkr-pipeline`; exits the process with 0, 1, 2, 75 or 130."""
    from ibkr_pipeline.cli.app import app
    from ibkr_pipeline.pipelines.interruption import interruptible

    with interruptible():
        app(prog_name="ibkr-pipeline")
