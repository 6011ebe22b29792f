"""The store opens on what it is given, or says plainly why not, and tells no password."""

from __future__ import annotations

import sqlite3
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from ibkr_pipeline.control import database, migrations
from ibkr_pipeline.control.database import Database
from ibkr_pipeline.control.errors import ControlStoreError, ControlUnavailableError
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.control.tables import VERSION
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.errors import BusyError, ConfigError, DiskFullError
from ibkr_pipeline_tests.raw_requests import FIRST, NOON, make_complete, make_proof, make_raw

CLOCK = FixedClock(NOON)


def set_version(store: ControlStore, version: int) -> None:
    """Make a store one of another version."""
    with store._database.write() as connection:
        connection.execute(VERSION.update().values(version=version))


def test_a_new_store_has_the_current_version(store: ControlStore) -> None:
    """Versions count from the first day."""
    with store._database.read() as connection:
        assert connection.execute(VERSION.select()).scalar_one() == migrations.CURRENT


def test_a_store_is_opened_again_as_it_was(open_store: Callable[[], ControlStore]) -> None:
    """Everything is durable once the call returns."""
    open_store().finish_request(make_proof(), make_complete(FIRST), make_raw())

    assert [f"r1:{FIRST}"] == [load.load_id for load in open_store().loads()]


def test_a_newer_store_is_refused(
    store: ControlStore, open_store: Callable[[], ControlStore]
) -> None:
    """An older program would write what a newer one cannot read."""
    set_version(store, migrations.CURRENT + 1)

    found, known = migrations.CURRENT + 1, migrations.CURRENT
    with pytest.raises(ControlStoreError, match=rf"has version {found}; .* up to {known}. Upgrade"):
        open_store()


def test_an_older_store_is_brought_up_step_by_step(
    store: ControlStore,
    open_store: Callable[[], ControlStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each step runs once, in order, inside the transaction that writes the version."""
    ran: list[int] = []
    set_version(store, 1)
    monkeypatch.setattr(migrations, "CURRENT", 3)
    monkeypatch.setattr(
        migrations, "STEPS", {n: lambda connection, n=n: ran.append(n) for n in (2, 3)}
    )
    open_store()
    open_store()

    assert ran == [2, 3]
    with store._database.read() as connection:
        assert connection.execute(VERSION.select()).scalar_one() == 3


def test_a_store_of_the_first_version_gets_sections_and_keeps_its_loads(
    store: ControlStore, open_store: Callable[[], ControlStore]
) -> None:
    """Loads of the gateway have no section; they are found as before."""
    store.finish_request(make_proof(), make_complete(FIRST), make_raw())
    with store._database.write() as connection:
        for index in ("control_loads_by_section", "control_requests_by_content"):
            connection.execute(text(f"DROP INDEX {index}"))
        for column in ("section", "from_date", "to_date"):
            connection.execute(text(f"ALTER TABLE control_loads DROP COLUMN {column}"))
        connection.execute(text("ALTER TABLE control_requests DROP COLUMN content_sha256"))
    set_version(store, 1)

    reopened = open_store()
    (load,) = reopened.loads()

    assert [] == reopened.requests_with_document("0" * 64)
    assert (load.load_id, load.section, load.from_date) == (f"r1:{FIRST}", "", None)


def test_a_failed_step_leaves_the_old_version(
    store: ControlStore,
    open_store: Callable[[], ControlStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a migration is none."""

    def failing(connection: object) -> None:
        connection.execute(text("CREATE TABLE control_new (x INTEGER)"))  # type: ignore[attr-defined]
        raise RuntimeError("step failed")

    set_version(store, 1)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "CURRENT", 2)
        patch.setattr(migrations, "STEPS", {2: failing})
        with pytest.raises(RuntimeError, match="step failed"):
            open_store()

    with store._database.read() as connection:
        assert connection.execute(VERSION.select()).scalar_one() == 1
        assert not inspect(connection).has_table("control_new")


def test_many_may_open_a_new_store_at_once(store_url: str | Path) -> None:
    """Two runs of a first day must not trip over each other's tables."""

    def open_and_close(_: int) -> None:
        ControlStore.open(store_url, clock=CLOCK).close()

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(open_and_close, range(8)))


def test_a_new_sqlite_store_may_be_opened_by_many_again_and_again(tmp_path: Path) -> None:
    """The switch to the write-ahead log is refused while another makes it: wait for it."""

    def open_and_close(path: Path) -> None:
        ControlStore.open(path, clock=CLOCK).close()

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(open_and_close, [tmp_path / f"{n // 8}.sqlite" for n in range(160)]))


def test_sqlite_is_durable_and_does_not_block_readers(tmp_path: Path) -> None:
    """WAL, and a sync at each commit; pacing alone goes without the sync."""
    store = Database(tmp_path / "control.sqlite")
    with store.read() as connection:
        facts = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    with store.write_quickly() as connection:
        quick = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    store.close()

    assert facts == ["wal", 2, 30_000]
    assert quick == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX file modes")
def test_the_sqlite_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The -wal file holds the same rows as the store."""
    with ControlStore.open(tmp_path / "data" / "control.sqlite", clock=CLOCK) as store:
        store.claim_environment(make_proof().environment)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "data").iterdir()}

    assert {0o600} == set(modes.values())
    assert {"control.sqlite", "control.sqlite-wal"} <= modes.keys()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_locked_store_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 75, as for every other lock."""
    path = tmp_path / "control.sqlite"
    ControlStore.open(path, clock=CLOCK).close()
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with ControlStore.open(path, clock=CLOCK) as store, pytest.raises(BusyError, match="locked"):
        store.finish_request(make_proof(), (), None)
    other.close()


def test_fault_57_a_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    """SQLite's own page limit answers as a full disk does."""
    store = ControlStore.open(tmp_path / "control.sqlite", clock=CLOCK)
    store.finish_request(make_proof("r1"), make_complete(FIRST), make_raw())
    many = make_complete(*(f"DU{number:07d}" for number in range(2000)))
    with store._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(DiskFullError, match="no room"):
        store.finish_request(make_proof("r2"), many, make_raw())
    assert [f"r1:{FIRST}"] == [load.load_id for load in store.loads()]
    store.close()
    with ControlStore.open(tmp_path / "control.sqlite", clock=CLOCK) as again:
        again.finish_request(make_proof("r2"), many, make_raw())
        assert len(again.loads()) == 2001


def test_a_file_that_is_no_database_says_how_to_mend_it(tmp_path: Path) -> None:
    """Nothing is deleted for the user."""
    path = tmp_path / "control.sqlite"
    path.write_bytes(b"this is no database at all, but long enough to be looked at" * 20)

    with pytest.raises(ControlStoreError, match="ibkr-pipeline rebuild"):
        ControlStore.open(path, clock=CLOCK)


def test_a_folder_that_cannot_be_made_is_a_setting_to_change(tmp_path: Path) -> None:
    """The data directory is where a file stands."""
    (tmp_path / "data").write_text("a file")

    with pytest.raises(ConfigError, match="IBKR_PIPELINE_DATA"):
        ControlStore.open(tmp_path / "data" / "control.sqlite", clock=CLOCK)


@pytest.mark.parametrize(
    "url",
    ["mysql://u:hunter22@h/d", "postgresql://u:hunter22@[::1/d", "://hunter22", "sqlite://"],
)
def test_a_url_that_cannot_be_used_is_explained_without_its_password(url: str) -> None:
    """Error texts end in logs and in the run history."""
    with pytest.raises(ConfigError, match=r"expected") as caught:
        ControlStore.open(url, clock=CLOCK)
    assert "hunter22" not in str(caught.value)


def test_an_absent_postgres_is_unavailable_and_its_password_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Port 1 of the loopback answers nobody."""
    url = "postgresql://somebody:hunter22@127.0.0.1:1/control"

    with pytest.raises(ControlUnavailableError, match="does not answer") as caught:
        ControlStore.open(url, clock=CLOCK)
    assert "hunter22" not in f"{caught.value}{caught.value.__cause__}{caplog.text}"
    assert "hunter22" not in repr(Database(url))


def test_the_store_shows_itself_without_a_password(store: ControlStore) -> None:
    """It appears in tracebacks and debuggers."""
    assert repr(store).startswith("ControlStore('")


def test_a_driver_that_was_named_is_kept() -> None:
    """Who names one knows why."""
    assert "postgresql+psycopg2" in repr(Database("postgresql+psycopg2://u@h/d"))


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver comes with dagster-postgres; an installation may have left it out."""
    monkeypatch.setattr(database, "_POSTGRES_DRIVERS", ("no_such_driver",))

    with pytest.raises(ConfigError, match="pip install psycopg2-binary"):
        Database("postgresql://u@h/d")
