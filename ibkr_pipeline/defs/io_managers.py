"""The I/O manager of every asset: one that refuses.

What lives here: the proof that no value travels between assets, so that nothing is pickled.
What must not: a way to store rows; assets write through `pipelines/` and return metadata alone.
"""

from __future__ import annotations

from typing import NoReturn

import dagster as dg

from ibkr_pipeline.primitives.errors import PipelineError, Terminal


class ValuePassedError(PipelineError, Terminal):
    """An asset returned or asked for a value; rows travel through the warehouse alone."""


class RefusingIOManager(dg.IOManager):
    """Refuses to store or load anything but nothing.

    Dagster's default pickles values into its home, and a planted pickle runs code on load.
    """

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Accept None, raise on anything else."""
        if obj is not None:
            raise ValuePassedError(
                f"Asset {_name(context)} returned a {type(obj).__name__}; expected a "
                f"MaterializeResult without a value. Write rows through ibkr_pipeline.pipelines."
            )

    def load_input(self, context: dg.InputContext) -> NoReturn:
        """Raise: nothing was stored."""
        raise ValuePassedError(
            f"Asset {_name(context)} was asked for as a value; name it in `deps` and read its "
            f"table from the warehouse."
        )


def _name(context: dg.OutputContext | dg.InputContext) -> str:
    return context.asset_key.to_user_string() if context.has_asset_key else "without a key"
