"""Values as text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkr_pipeline.cli.output import cell_text, csv_text, write_document

AT = datetime(2026, 4, 13, 20, 30, 0, 5, tzinfo=UTC)


def test_a_document_holds_decimals_as_text_and_instants_with_z(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """JSON has no type for either."""
    write_document({"a": Decimal("1.2300"), "b": AT, "c": date(2026, 4, 13), "d": None})

    assert (
        '{\n  "a": "1.23",\n  "b": "2026-04-13T20:30:00.000005Z",\n'
        '  "c": "2026-04-13",\n  "d": null\n}\n'
    ) == capsys.readouterr().out


def test_a_value_json_cannot_hold_is_refused() -> None:
    """Rather than written as something else."""
    with pytest.raises(TypeError, match="object"):
        write_document({"a": object()})


@pytest.mark.parametrize(
    ("value", "cell", "csv"),
    [
        (None, "", ""),
        (True, "yes", "true"),
        (False, "no", "false"),
        (Decimal("-0.500"), "-0.5", "-0.5"),
        (Decimal("1E+3"), "1000", "1000"),
        (AT, "2026-04-13 20:30:00Z", "2026-04-13T20:30:00.000005Z"),
        (7, "7", "7"),
        ("BRK/B", "BRK/B", "BRK/B"),
    ],
)
def test_cells_are_for_people_and_csv_for_programs(value: object, cell: str, csv: str) -> None:
    """Unknown is empty in both."""
    assert (cell, csv) == (cell_text(value), csv_text(value))
