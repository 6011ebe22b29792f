"""`ibkr-pipeline demo`: three nights of a simulated broker, and what landed.

What lives here: the tour. What must not: a way of its own to read or store; it is the same job,
through the same client over TCP, that reads a real gateway.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ibkr_pipeline.cli.demo_sessions import NIGHT, read_sessions
from ibkr_pipeline.cli.invocation import ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document
from ibkr_pipeline.cli.progress import progress
from ibkr_pipeline.cli.sync import exit_code_of, facts_of, tell_failures
from ibkr_pipeline.primitives.enums import Environment

#: The scenario that is played when none is named, and its sessions. Another one is read once.
STORY, STORY_SESSIONS = "three_sessions", 3
#: What the simulated broker's statement service lets in; no secret of anybody's.
FLEX_TOKEN, FLEX_QUERY = "SIMULATED-FLEX-TOKEN", "1"


def demo(
    context: typer.Context,
    *,
    scenario: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML file or the name of a bundled one.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Run the nightly job against a simulated broker: no account, no server, no network.

    Three sessions are played, with a night between them in which options expire and are assigned
    and the statement of the day is made. A scenario that is named is read once.
    """
    from ibkr_pipeline.cli.demo_report import to_report, write_night, write_report
    from ibkr_pipeline.cli.summary_table import write_summary
    from ibkr_pipeline.pipelines.summary import summarize_run, to_document
    from ibkr_pipeline.simulator.process import SimulatorProcess

    with (
        progress("starting the simulated broker"),
        SimulatorProcess(scenario=scenario or STORY) as broker,
    ):
        settings = begin(
            context,
            config,
            as_json=as_json,
            overrides={
                **overrides_for(broker.host, broker.port),
                "ibkr.flex_url": broker.flex_url,
                "ibkr.flex_token": FLEX_TOKEN,
                "ibkr.flex_query_id": FLEX_QUERY,
            },
            log_to_file=True,
        )
        had_rows = settings.warehouse_path.exists()
        nights = read_sessions(
            settings,
            broker.control,
            1 if scenario else STORY_SESSIONS,
            on_night=(lambda _night: None) if as_json else write_night,
        )
    result = nights[-1].result
    facts = facts_of(settings, result)
    summaries = summarize_run(settings, facts, NIGHT)
    if as_json:
        write_document(
            {**to_document(summaries, facts, is_all=True), **to_report(settings, nights)}
        )
    else:
        write_summary(settings, summaries, run_id=result.run_id, is_well=result.success)
        write_report(settings, nights, summaries, had_rows=had_rows)
    tell_failures(result)
    raise typer.Exit(exit_code_of(result, summaries))


def overrides_for(host: str, port: int) -> dict[str, Any]:
    """Return the settings that point a run at a simulated broker and at nothing else."""
    return {
        "mode": Environment.SIMULATED.value,
        "ibkr.host": host,
        "ibkr.port": port,
        "ibkr.accounts": (),
    }
