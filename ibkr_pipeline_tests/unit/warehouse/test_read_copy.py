"""The read copy: what readers get, and that nobody waits for anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError, WarehouseMissingError
from ibkr_pipeline.warehouse import read_copy
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.opening import open_read_copy
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    apply_rows,
    frames_of,
    make_load,
    minutes,
    position,
    warehouse_in,
)

POSITIONS = Dataset.POSITIONS


def _land(warehouse: Warehouse, *con_ids: int, at: int = 0) -> None:
    rows = [position(con_id) for con_id in con_ids]
    load = make_load(POSITIONS, at=minutes(at))
    apply_rows(warehouse, POSITIONS, (frames_of(POSITIONS, positions=rows), [load]))


def _con_ids(connection: duckdb.DuckDBPyConnection) -> list[int]:
    return as_of(connection, "positions").get_column("con_id").to_list()


@pytest.mark.parametrize("shared", [True, False], ids=["bytes", "tables"])
def test_a_copy_holds_what_the_warehouse_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    """Copied as bytes where open files can be shared, else table by table."""
    monkeypatch.setattr(read_copy, "_LIVE_CAN_BE_SHARED", shared)
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, 1, 2)

    path = warehouse.publish_read_copy()

    with open_read_copy(path) as connection:
        assert _con_ids(connection) == [1, 2]
        current = connection.sql("SELECT con_id FROM core.current_positions ORDER BY 1").pl()
        assert current["con_id"].to_list() == [1, 2]
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("DELETE FROM core.positions")


def test_a_reader_keeps_the_copy_it_opened(tmp_path: Path) -> None:
    """A notebook never sees half of a run, and does not block the next one."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, 1)
    with open_read_copy(warehouse.publish_read_copy()) as reader:
        _land(warehouse, 2, at=5)
        warehouse.publish_read_copy()
        assert _con_ids(reader) == [1]

    with open_read_copy(warehouse.read_copy_path) as reader:
        assert _con_ids(reader) == [2]


def test_a_copy_is_made_again_only_when_something_changed(tmp_path: Path) -> None:
    """A run that brought nothing costs nothing."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, 1)
    raw = tmp_path / "a.ndjson"
    raw.write_text('{"message":"position","seq":1,"account":""}\n')
    first = warehouse.publish_read_copy().stat().st_ino
    again = warehouse.publish_read_copy().stat().st_ino
    with_files = warehouse.publish_read_copy({"positions": [raw]}).stat().st_ino
    warehouse.read_copy_path.unlink()
    made_again = warehouse.publish_read_copy({"positions": [raw]})

    assert first == again
    assert with_files != first
    assert made_again.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows copies tables and shares no open file")
def test_fault_60_copying_the_live_file_leaves_duckdb_s_lock_in_place(tmp_path: Path) -> None:
    """Closing any other handle on it would drop a POSIX lock, and a second writer get in."""
    warehouse = warehouse_in(tmp_path)
    code = (
        "import duckdb, sys\n"
        "try: duckdb.connect(sys.argv[1])\n"
        "except duckdb.IOException: print('held')\n"
    )
    with read_copy.source_of(warehouse.path) as source:
        connection = duckdb.connect(str(warehouse.path))
        read_copy.publish(connection, warehouse.read_copy_path, source=source, raw_files={})
        other = subprocess.run(
            [sys.executable, "-c", code, str(warehouse.path)],
            capture_output=True,
            text=True,
            check=True,
        )
        connection.close()

    assert other.stdout == "held\n"


def test_raw_views_read_the_listed_files_and_no_others(tmp_path: Path) -> None:
    """A file that is no part of a published request is no raw data."""
    warehouse = warehouse_in(tmp_path)
    folder = tmp_path / "it's raw"
    folder.mkdir()
    listed, stray = folder / "one.ndjson", folder / "two.ndjson"
    listed.write_text('{"message":"position","seq":3,"account":"DU0000001","pos":"1"}\n')
    stray.write_text('{"message":"position","seq":4,"account":"DU0000001","pos":"2"}\n')

    path = warehouse.publish_read_copy({"positions": [listed]})

    with open_read_copy(path) as connection:
        rows = connection.sql(
            "SELECT message, seq, account, json->>'pos' AS pos, filename FROM raw.positions"
        ).pl()
        nothing = connection.sql("SELECT * FROM raw.orders").pl()
    assert rows.rows() == [("position", 3, "DU0000001", "1", str(listed))]
    assert (nothing.height, nothing.columns[:3]) == (0, ["message", "seq", "account"])


def test_a_listed_raw_file_that_is_gone_is_named_and_the_old_copy_stays(tmp_path: Path) -> None:
    """A view over fewer files than were published would hide messages."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, 1)
    warehouse.publish_read_copy()

    with pytest.raises(RawDataError, match=r"gone\.ndjson"):
        warehouse.publish_read_copy({"positions": [tmp_path / "gone.ndjson"]})

    with open_read_copy(warehouse.read_copy_path) as connection:
        assert _con_ids(connection) == [1]


def test_a_copy_left_half_made_is_no_obstacle(tmp_path: Path) -> None:
    """The process may have been killed while copying."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, 1)
    (tmp_path / "warehouse_read.duckdb.tmp").write_bytes(b"half")

    with open_read_copy(warehouse.publish_read_copy()) as connection:
        assert _con_ids(connection) == [1]


def test_without_a_copy_the_error_says_what_to_run(tmp_path: Path) -> None:
    """A notebook is often opened before the first run."""
    with pytest.raises(WarehouseMissingError, match="sync all"):
        open_read_copy(tmp_path / "warehouse_read.duckdb")
