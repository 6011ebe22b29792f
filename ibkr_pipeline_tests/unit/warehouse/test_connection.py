"""The warehouse file: versions, locks, damage, and what an exception leaves behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import BusyError, SchemaError, WarehouseMissingError
from ibkr_pipeline.schemas import core, meta, ops, statements
from ibkr_pipeline.warehouse.apply import apply_loads
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.errors import (
    CommitOrderError,
    MigrationError,
    WarehouseDamagedError,
    WarehouseVersionError,
)
from ibkr_pipeline.warehouse.migrations import MIGRATIONS, Migration, migrate, version_of
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    NOON,
    apply_rows,
    frames_of,
    make_load,
    minutes,
    normalized,
    position,
    warehouse_in,
)

POSITIONS = Dataset.POSITIONS


def _land(warehouse: Warehouse, *, at: int = 0) -> None:
    load = make_load(POSITIONS, at=minutes(at))
    apply_rows(warehouse, POSITIONS, (frames_of(POSITIONS, positions=[position(1)]), [load]))


def _statement(sql: str) -> Callable[[duckdb.DuckDBPyConnection], None]:
    def apply(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(sql)

    return apply


def _held(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        return as_of(connection, "positions").height


def test_a_new_directory_gets_a_warehouse_with_every_table(tmp_path: Path) -> None:
    """Tables come from the schemas, and views beside them."""
    clock = FixedClock(NOON)
    warehouse = Warehouse(tmp_path / "new" / "one", clock=clock, lock_timeout_seconds=0)
    with warehouse.write("first"):
        pass

    with warehouse.read() as connection:
        found = connection.sql(
            "SELECT table_schema || '.' || table_name AS name, table_type AS kind "
            "FROM information_schema.tables"
        ).pl()
    tables = set(found.filter(found["kind"] == "BASE TABLE")["name"])
    assert tables == {
        table.name for table in (*core.TABLES, *statements.TABLES, *ops.TABLES, *meta.TABLES)
    }
    assert "core.current_executions" in set(found["name"])


def test_fault_69_what_was_written_before_an_exception_is_not_there(tmp_path: Path) -> None:
    """A failure between two statements leaves the old rows intact."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)

    with pytest.raises(RuntimeError, match="stop"):
        _delete_and_fail(warehouse)

    assert _held(warehouse) == 1


def _delete_and_fail(warehouse: Warehouse) -> None:
    with warehouse.write("fails") as transaction:
        transaction.connection.execute("DELETE FROM core.positions")
        raise RuntimeError("stop")


def test_fault_69_rows_with_a_column_missing_are_refused_and_old_rows_stay(tmp_path: Path) -> None:
    """Schema drift must not cost what is there."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)

    with warehouse.write("fails") as transaction:
        rows = transaction.query("SELECT * EXCLUDE (currency) FROM core.positions")
        with pytest.raises(SchemaError, match="currency"):
            transaction.append(core.POSITIONS, rows)

    assert _held(warehouse) == 1


def test_a_key_twice_in_one_append_is_refused(tmp_path: Path) -> None:
    """There is no unique index; the schema's check stands in for it."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)

    with warehouse.write("fails") as transaction:
        rows = transaction.query("SELECT * FROM core.positions")
        with pytest.raises(SchemaError, match=r"core\.positions"):
            transaction.append(core.POSITIONS, rows.vstack(rows))


def test_instants_come_back_in_utc(tmp_path: Path) -> None:
    """Whatever the machine's zone."""
    warehouse = warehouse_in(tmp_path)
    with warehouse.read() as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_statement_cannot_read_a_python_variable(tmp_path: Path) -> None:
    """A name in SQL means a table, never whatever happens to be called so."""
    positions_of_nobody = frames_of(POSITIONS)["broker.positions"]
    warehouse = warehouse_in(tmp_path)

    with pytest.raises(duckdb.CatalogException), warehouse.read() as connection:
        connection.sql("SELECT * FROM positions_of_nobody")
    assert positions_of_nobody.is_empty()


def test_a_newer_warehouse_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An older program must not write into what it does not know."""
    warehouse = warehouse_in(tmp_path)
    newest = MIGRATIONS[-1].version
    with warehouse.write("test") as transaction:
        transaction.connection.execute(
            f"INSERT INTO meta.schema_migrations VALUES ({newest + 1}, 'later', now())"
        )

    for use in (lambda: warehouse.write("test"), warehouse.read):
        with pytest.raises(WarehouseVersionError, match="Update the program") as caught, use():
            pass
        assert (caught.value.found, caught.value.known) == (newest + 1, newest)


def test_an_older_warehouse_is_migrated_once(tmp_path: Path) -> None:
    """The next version finds the rows of the last one."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)
    later = (
        *MIGRATIONS,
        Migration(
            version=MIGRATIONS[-1].version + 1,
            name="add a table",
            apply=_statement("CREATE TABLE core.later (a BIGINT)"),
        ),
    )
    connection = duckdb.connect(str(warehouse.path))
    assert migrate(connection, now=NOON, migrations=later)
    assert not migrate(connection, now=NOON, migrations=later)
    held = connection.execute("SELECT count(*) FROM core.positions").fetchall()
    connection.close()

    assert held == [(1,)]


def test_a_migration_that_fails_leaves_the_warehouse_as_it_was(tmp_path: Path) -> None:
    """Half a schema would be neither the old nor the new one."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)
    newest = MIGRATIONS[-1].version
    later = (
        *MIGRATIONS,
        Migration(
            version=newest + 1,
            name="half",
            apply=_statement("CREATE TABLE core.half (a BIGINT)"),
        ),
        Migration(
            version=newest + 2,
            name="broken",
            apply=_statement("ALTER TABLE core.nothing ADD b BIGINT"),
        ),
    )
    connection = duckdb.connect(str(warehouse.path))
    with pytest.raises(MigrationError, match="broken"):
        migrate(connection, now=NOON, migrations=later)
    tables = connection.execute("SELECT count(*) FROM duckdb_tables WHERE table_name = 'half'")
    assert (tables.fetchall(), version_of(connection)) == ([(0,)], newest)
    connection.close()

    assert _held(warehouse) == 1


def test_fault_59_a_second_writer_is_told_who_holds_the_warehouse(tmp_path: Path) -> None:
    """After its bounded wait, here none."""
    warehouse = warehouse_in(tmp_path)
    with warehouse.write("the nightly run"):
        code = (
            "import sys; from pathlib import Path\n"
            "from ibkr_pipeline.primitives.clock import SystemClock\n"
            "from ibkr_pipeline.primitives.errors import BusyError\n"
            "from ibkr_pipeline.warehouse.connection import Warehouse\n"
            "w = Warehouse(Path(sys.argv[1]), clock=SystemClock(), lock_timeout_seconds=0.2)\n"
            "try:\n"
            "    with w.write('another run'): print('entered')\n"
            "except BusyError as error: print('busy:', error.holder)\n"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )

    assert other.stdout.startswith("busy:")
    assert "the nightly run" in other.stdout


def test_fault_59_a_program_that_opened_the_file_itself_is_named(tmp_path: Path) -> None:
    """Somebody's SQL client holds no lock of ours, but DuckDB's."""
    warehouse = warehouse_in(tmp_path)
    code = (
        "import duckdb, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "open\n"
        with pytest.raises(BusyError, match="open in") as caught, warehouse.write("run"):
            pass
        assert str(client.pid) in caught.value.holder
        client.communicate("")


def test_a_commit_replayed_keeps_its_instant_and_its_place(tmp_path: Path) -> None:
    """A rebuild repeats commits at the instants they had, in their order."""
    warehouse = warehouse_in(tmp_path)
    then = NOON - timedelta(days=3)
    frames, load = frames_of(POSITIONS, positions=[position(1)]), make_load(POSITIONS)
    with warehouse.write("rebuild", recorded_at=then) as transaction:
        (applied,) = apply_loads(
            transaction, POSITIONS, normalized(POSITIONS, frames, [load]), [load]
        )
    assert applied.recorded_at == then

    with (
        pytest.raises(CommitOrderError, match="after the"),
        warehouse.write("rebuild", recorded_at=then),
    ):
        pass


def test_a_missing_warehouse_says_what_to_run(tmp_path: Path) -> None:
    """The first thing a new user meets."""
    warehouse = Warehouse(tmp_path, clock=FixedClock(NOON), lock_timeout_seconds=0)
    with pytest.raises(WarehouseMissingError, match="sync all"), warehouse.read():
        pass
    with pytest.raises(WarehouseMissingError, match="sync all"):
        warehouse.publish_read_copy()


def test_a_file_that_is_no_warehouse_is_refused_and_kept(tmp_path: Path) -> None:
    """It may be all that is left of something."""
    warehouse = warehouse_in(tmp_path)
    warehouse.path.write_bytes(b"garbage" * 1000)

    with pytest.raises(WarehouseDamagedError, match="rebuild"), warehouse.write("run"):
        pass

    assert warehouse.path.read_bytes() == b"garbage" * 1000


def test_an_older_file_put_in_place_is_noticed(tmp_path: Path) -> None:
    """Its loads would count as applied and never come back."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)
    older = warehouse.path.read_bytes()
    _land(warehouse, at=5)
    warehouse.path.write_bytes(older)

    with pytest.raises(WarehouseDamagedError, match="last acknowledged"), warehouse.read():
        pass


def test_a_warehouse_that_was_removed_may_be_begun_again(tmp_path: Path) -> None:
    """A rebuild starts like that."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse)
    warehouse.path.unlink()

    _land(warehouse)

    assert _held(warehouse) == 1
