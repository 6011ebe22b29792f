"""`ibkr-pipeline rebuild`: make core again from raw and prove it equal."""

from __future__ import annotations

from typing import Annotated

import typer

from ibkr_pipeline.cli.invocation import ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document, write_line, write_table
from ibkr_pipeline.cli.progress import progress


def rebuild(
    context: typer.Context,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the rebuilt warehouse in place if it is equal.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --replace: also if it is not equal.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make core again from the raw files, beside the existing one, and compare every table.

    Ends with 0 when every table is equal in every column, 1 when one differs.
    """
    settings = begin(context, config, as_json=as_json)
    from ibkr_pipeline.pipelines.data_directory import with_stamped_mode
    from ibkr_pipeline.pipelines.rebuild import rebuild as run

    with progress("rebuilding core from the raw files") as tell:
        result = run(with_stamped_mode(settings), replace=replace, force=force, on_progress=tell)
    if as_json:
        write_document(result.to_document())
        raise typer.Exit(0 if result.is_well else 1)
    write_table(
        "rebuild",
        ("table", "rows before", "rows rebuilt", "equal"),
        [(item.table, item.n_existing, item.n_rebuilt, item.is_equal) for item in result.tables],
    )
    for line in result.remarks:
        write_line(line)
    raise typer.Exit(0 if result.is_well else 1)
