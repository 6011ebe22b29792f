"""`ibkr-pipeline demo`: the nightly job against a simulated broker, and what landed.

What lives here: the tour. What must not: a way of its own to read or store; it is the same job,
through the same client over TCP, that reads a real gateway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ibkr_pipeline.cli.invocation import ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document, write_line, write_table
from ibkr_pipeline.cli.progress import progress
from ibkr_pipeline.cli.sync import exit_code_of, facts_of, run, tell_failures
from ibkr_pipeline.primitives.enums import Dataset, Environment
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.defs.launch import LaunchResult
    from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "accounts": ("account_id", "base_currency", "net_liquidation_value", "total_cash"),
    "positions": (
        "account_id", "local_symbol", "security_type", "quantity", "market_value", "currency",
    ),
    "orders": (
        "account_id", "local_symbol", "side", "order_type", "total_quantity", "filled_quantity",
        "limit_price", "status",
    ),
    "executions": (
        "account_id", "local_symbol", "side", "fill_quantity", "price", "commission",
        "commission_currency", "commission_status",
    ),
}  # fmt: skip
#: Rows of each table that are shown.
MOST_ROWS = 12


def demo(
    context: typer.Context,
    *,
    scenario: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML file or the name of a bundled one.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Run the nightly job against a simulated broker: no account, no server, no network."""
    from ibkr_pipeline.cli.summary_table import write_summary
    from ibkr_pipeline.pipelines.summary import summarize_run, to_document
    from ibkr_pipeline.simulator.process import SimulatorProcess

    with progress("starting the simulated broker"), SimulatorProcess(scenario=scenario) as broker:
        settings = begin(
            context,
            config,
            as_json=as_json,
            overrides=overrides_for(broker.host, broker.port),
            log_to_file=True,
        )
        had_rows = settings.warehouse_path.exists()
        result = run(settings, tuple(Dataset), ())
    facts = facts_of(settings, result)
    summaries = summarize_run(settings, facts, tuple(Dataset))
    if as_json:
        write_document(to_document(summaries, facts, is_all=True))
    else:
        write_summary(settings, summaries, run_id=result.run_id, is_well=result.success)
        _write_rows(settings)
        _write_checks(result)
        _write_changes(settings, facts, summaries, had_rows=had_rows)
        _write_next_steps(settings)
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


def _write_rows(settings: Settings) -> None:
    from ibkr_pipeline.pipelines.reading import read_copy_path, show
    from ibkr_pipeline.pipelines.reading_notes import with_local_symbol

    if not read_copy_path(settings.environment_dir).exists():
        return
    for table, names in COLUMNS.items():
        frame = with_local_symbol(settings, show(settings, table))
        hidden = f", {MOST_ROWS} shown" if frame.height > MOST_ROWS else ""
        write_table(
            f"{table}: {frame.height} rows{hidden}",
            names,
            frame.select(names).head(MOST_ROWS).iter_rows(),
        )


def _write_checks(result: LaunchResult) -> None:
    failed = [check for check in result.checks if not check.passed]
    write_line(f"checks: {len(result.checks) - len(failed)} passed, {len(failed)} failed")
    for check in failed:
        write_line(f"  {check.asset} {check.name} ({check.severity}): {check.description}")


def _write_changes(
    settings: Settings, run: RunFacts, summaries: Sequence[DatasetSummary], *, had_rows: bool
) -> None:
    """Say what a second run is for: nothing is counted twice, nothing changes by itself."""
    by_dataset = {summary.dataset: summary.subjects for summary in summaries}
    n_fills = sum(item.n_new for item in by_dataset.get(Dataset.EXECUTIONS, ()))
    n_moved = sum(
        item.n_new + item.n_changed + item.n_gone for item in by_dataset.get(Dataset.POSITIONS, ())
    )
    fills = f"{n_fills} new executions{_corrections(settings, run) if n_fills else ''}"
    if not had_rows:
        write_line(f"{fills}. Run the demo again: it will find 0.")
        return
    positions = "equal to those of the last run" if n_moved == 0 else f"{n_moved} changed"
    write_line(f"{fills}; current positions: {positions}.")


def _corrections(settings: Settings, run: RunFacts) -> str:
    """Return how many of the new executions replace one that is there: the table has fewer rows."""
    from ibkr_pipeline.pipelines.reading_notes import n_corrections

    count = n_corrections(settings, run.run_id)
    if count == 0:
        return ""
    return f", {count} of them {'a correction' if count == 1 else 'corrections'} of an earlier one"


def _write_next_steps(settings: Settings) -> None:
    from ibkr_pipeline.pipelines.reading import read_copy_path

    copy = read_copy_path(settings.environment_dir)
    here = Path.cwd()
    shown = copy.relative_to(here) if copy.is_relative_to(here) else copy
    for line in (
        "",
        f"The warehouse is {settings.warehouse_path}; readers open {copy}.",
        "What to do next:",
        "  ibkr-pipeline ui                the runs, assets and checks in a browser (make ui)",
        "  IBKR_PIPELINE_MODE=simulated ibkr-pipeline show positions",
        "In a notebook:",
        "  import ibkr_pipeline",
        f"  ibkr_pipeline.open_warehouse({str(shown)!r}).sql('from core.current_positions')",
        "Your own account, to read and never to send an order:",
        "  ibkr-pipeline doctor            is TWS or Gateway there and ready?",
        "  ibkr-pipeline sync all          a paper account in TWS on port 7497; else set IBKR_PORT",
        "  IBKR_PIPELINE_MODE=live IBKR_PORT=7496 ibkr-pipeline sync all",
    ):
        write_line(line)
