"""Raw files come back as they went in, and nothing broken is ever handed out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.models.requests import Payload
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError, SchemaError
from ibkr_pipeline_tests.raw_requests import (
    FIRST,
    NOON,
    SECOND,
    make_complete,
    make_failed,
    make_frame,
    make_proof,
)

PLACE = "raw/ibkr/positions/2026-11-18"

needs_modes = pytest.mark.skipif(os.name == "nt", reason="Windows has no POSIX file modes")


def make_payload() -> Payload:
    """Return two kinds of messages with quotes, nulls, empty texts and no account."""
    return {
        "position": make_frame(
            [FIRST, SECOND, FIRST], symbol=["BRK/B", 'quo"te', "../x"], avgCost=["1.50", None, ""]
        ),
        "commissionReport": make_frame(["", FIRST], first_seq=3, execId=["a.01", "b.01"]),
    }


def publish(root: Path, request_id: str = "r1") -> Landing:
    """Publish that payload."""
    landing = Landing(root)
    landing.publish(make_proof(request_id), make_complete(FIRST, SECOND), make_payload())
    return landing


def assert_same(expected: Payload, actual: Payload) -> None:
    """Compare kinds, columns with their types, and rows."""
    assert {name: (f.schema, f.rows()) for name, f in expected.items()} == {
        name: (f.schema, f.rows()) for name, f in actual.items()
    }


def test_a_payload_comes_back_as_it_was_published(tmp_path: Path) -> None:
    """Texts, nulls, empty texts, kinds and columns with their order are facts."""
    landing = publish(tmp_path)

    assert_same(make_payload(), landing.read("r1"))
    assert list(make_payload()) == list(landing.read("r1"))


def test_the_description_tells_size_hash_and_rows_of_each_account(tmp_path: Path) -> None:
    """Control copies these numbers, and reading compares with them."""
    raw = Landing(tmp_path).publish(make_proof(), make_complete(FIRST), make_payload())

    data = (tmp_path / raw.path).read_bytes()
    # FIRST: rows 1 and 3 of position, row 2 of commissionReport.
    assert raw.rows_by_account == {"": 1, FIRST: 3, SECOND: 1}
    assert (f"{PLACE}/r1.ndjson.zst", 5, len(data)) == (raw.path, raw.n_rows, raw.n_bytes)


def test_the_proof_comes_back_whole(tmp_path: Path) -> None:
    """Raw must be enough to rebuild control."""
    proof, outcomes = make_proof(), (*make_complete(FIRST), make_failed(SECOND))
    raw = Landing(tmp_path).publish(proof, outcomes, make_payload())

    assert (proof, outcomes, raw) == Landing(tmp_path).proof("r1")


@pytest.mark.parametrize(
    "payload",
    [{}, {"position": make_frame([], symbol=[])}],
    ids=["no kinds", "a kind without messages"],
)
def test_an_empty_answer_is_published_too(tmp_path: Path, payload: Payload) -> None:
    """An empty account is a fact, and its columns are known."""
    landing = Landing(tmp_path)
    raw = landing.publish(make_proof(), make_complete(FIRST), payload)

    assert (raw.n_rows, raw.rows_by_account) == (0, {})
    assert_same(payload, landing.read("r1"))


def test_reading_some_accounts_leaves_the_others_out(tmp_path: Path) -> None:
    """Core reads the complete accounts of a request whose others failed."""
    found = publish(tmp_path).read("r1", accounts=[SECOND])

    assert found["position"]["seq"].to_list() == [1]
    assert found["commissionReport"].height == 0
    assert found["commissionReport"].columns == ["seq", "account", "execId"]


def test_requests_are_listed_in_the_order_they_started(tmp_path: Path) -> None:
    """A rebuild applies them in that order."""
    landing = Landing(tmp_path)
    for day, request_id in ((20, "a"), (18, "c"), (18, "b")):
        started = datetime(2026, 11, day, tzinfo=UTC)
        landing.publish(make_proof(request_id, started_at=started, ended_at=started), (), {})
    landing.publish(make_proof("a0", dataset=Dataset.ACCOUNTS), (), {})

    assert Landing(tmp_path).requests() == ["a0", "b", "c", "a"]


def test_the_folder_is_the_utc_day_of_the_start(tmp_path: Path) -> None:
    """The day of a machine's own zone would move files between folders."""
    late = datetime.fromisoformat("2026-11-18T20:30:00-05:00")
    raw = Landing(tmp_path).publish(make_proof(started_at=late, ended_at=late), (), {})

    assert raw.path == "raw/ibkr/positions/2026-11-19/r1.ndjson.zst"


def test_a_request_is_published_once(tmp_path: Path) -> None:
    """Raw files never change."""
    landing = publish(tmp_path)

    with pytest.raises(RawDataError, match="published before"):
        landing.publish(make_proof(), (), {})


@needs_modes
def test_folders_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """They hold account numbers and positions."""
    landing = publish(tmp_path / "data")
    path = tmp_path / "data" / PLACE / "r1.ndjson.zst"

    assert landing.requests() == ["r1"]
    assert {0o600} == {stat.S_IMODE(item.stat().st_mode) for item in path.parent.iterdir()}
    assert {0o700} == {stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:5]}


@pytest.mark.parametrize(
    "hostile",
    [
        "../x",
        "/etc/x",
        "a/b",
        "a\\b",
        "BRK/B",
        "",
        ".",
        "a.b",
        "a\0b",
        "a\nb",
        "x" * 129,
        "é",
        "-a",
    ],
)
def test_fault_52_a_request_id_never_leads_outside(tmp_path: Path, hostile: str) -> None:
    """A name from outside must not choose a place on the disk."""
    landing = Landing(tmp_path / "data")

    for attempt in (
        lambda: landing.publish(make_proof(hostile), (), {}),
        lambda: landing.read(hostile),
        lambda: landing.publish(make_proof(broker=hostile + "/"), (), {}),
    ):
        with pytest.raises(RawDataError):
            attempt()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hostile", ["../../x", "BRK/B", "DU' OR '1'='1", "x" * 5000, "\0", "ü"])
def test_fault_52_broker_text_stays_inside_the_file(tmp_path: Path, hostile: str) -> None:
    """Symbols and account codes are content, never names."""
    payload = {hostile: make_frame([hostile], symbol=[hostile])}
    landing = Landing(tmp_path)
    landing.publish(make_proof(), make_complete(hostile), payload)

    assert_same(payload, landing.read("r1", accounts=[hostile]))
    assert {"r1.json", "r1.ndjson.zst"} == {p.name for p in tmp_path.rglob("*") if p.is_file()}


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    """Somebody else's folder must not fill with account data."""
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "raw" / "ibkr").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RawDataError, match="outside"):
        Landing(tmp_path / "data").publish(make_proof(), (), {})


@pytest.mark.parametrize(
    ("frame", "flaw"),
    [
        (make_frame([FIRST]).with_columns(price=pl.lit(1.5)), "price is Float64"),
        (make_frame([FIRST]).drop("seq"), "seq is missing"),
        (make_frame([FIRST]).with_columns(account=None), "account is Null"),
        (make_frame([FIRST], message=["x"]), "a field is named message"),
        (
            make_frame([FIRST]).with_columns(account=pl.lit(None, dtype=pl.String)),
            "account holds nulls",
        ),
    ],
    ids=["a number", "no seq", "untyped account", "field named message", "null account"],
)
def test_only_text_frames_are_landed(tmp_path: Path, frame: pl.DataFrame, flaw: str) -> None:
    """A typed column has lost what the broker wrote."""
    with pytest.raises(SchemaError, match=flaw):
        Landing(tmp_path).publish(make_proof(), (), {"position": frame})
    assert list(tmp_path.iterdir()) == []


def data_file(root: Path) -> Path:
    """Return where the raw file is."""
    return root / PLACE / "r1.ndjson.zst"


def sidecar_file(root: Path) -> Path:
    """Return where its sidecar is."""
    return root / PLACE / "r1.json"


def tear(path: Path) -> None:
    """Cut the end off."""
    path.write_bytes(path.read_bytes()[:-2])


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    """Leave zero bytes."""
    path.write_bytes(b"")


def remove(path: Path) -> None:
    """Remove the file."""
    path.unlink()


@pytest.mark.parametrize("damage", [tear, flip_a_bit, empty, remove])
@pytest.mark.parametrize("which", [data_file, sidecar_file], ids=["data", "sidecar"])
def test_fault_62_a_broken_file_is_named_and_not_read(
    tmp_path: Path, damage: Callable[[Path], None], which: Callable[[Path], Path]
) -> None:
    """A torn or changed file read in silence would be wrong numbers in core."""
    landing = publish(tmp_path)
    broken = which(tmp_path)
    damage(broken)

    with pytest.raises(RawDataError) as caught:
        landing.read("r1")
    assert str(broken) in str(caught.value)
    assert any(str(broken.parent / "r1") in problem for problem in landing.verify())


def test_fault_62_every_single_bit_of_a_sidecar_counts(tmp_path: Path) -> None:
    """Verdicts live in it: `failed` must not turn into anything else unseen."""
    landing = publish(tmp_path)
    path = sidecar_file(tmp_path)
    good = path.read_bytes()
    unseen = []
    for position in range(len(good)):
        changed = bytearray(good)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        try:
            found = landing.proof("r1")
        except RawDataError:
            continue
        unseen.append((position, found))
    path.write_bytes(good)

    truth = landing.proof("r1")
    assert [position for position, found in unseen if found != truth] == []


def test_fault_62_a_file_with_a_longer_tail_is_refused(tmp_path: Path) -> None:
    """What was added after publishing was not said by the broker then."""
    landing = publish(tmp_path)
    with data_file(tmp_path).open("ab") as file:
        file.write(data_file(tmp_path).read_bytes())

    with pytest.raises(RawDataError, match="its sidecar expects"):
        landing.read("r1")


def test_fault_62_a_copied_sidecar_is_refused(tmp_path: Path) -> None:
    """A request must not be counted twice under another name."""
    landing = publish(tmp_path)
    for suffix in (".json", ".ndjson.zst"):
        source = tmp_path / PLACE / f"r1{suffix}"
        source.with_name(f"r2{suffix}").write_bytes(source.read_bytes())

    with pytest.raises(RawDataError, match="is the one of request r1"):
        landing.read("r2")
    assert len(landing.verify()) == 1


def test_a_file_without_sidecar_is_not_listed_and_named_when_asked_for(tmp_path: Path) -> None:
    """A publish that was cut off in the middle never happened."""
    publish(tmp_path)
    sidecar_file(tmp_path).unlink()
    landing = Landing(tmp_path)

    assert landing.requests() == []
    with pytest.raises(RawDataError, match=r"r1\.ndjson\.zst has no sidecar"):
        landing.read("r1")


def test_verify_finds_nothing_where_all_is_well(tmp_path: Path) -> None:
    """A check that always complains is not read."""
    landing = publish(tmp_path)
    (tmp_path / PLACE / ".r9.json.tmp-1-ab").write_bytes(b"being written")

    assert landing.verify() == []


def test_an_unknown_request_says_where_it_was_looked_for(tmp_path: Path) -> None:
    """A wrong data directory is the usual reason."""
    with pytest.raises(RawDataError, match="No raw file of request r9"):
        publish(tmp_path).read("r9")


def test_a_request_published_by_another_process_is_found(tmp_path: Path) -> None:
    """Two runs share one data directory."""
    mine = publish(tmp_path, "r1")
    publish(tmp_path, "r2")

    assert_same(make_payload(), mine.read("r2"))


def test_sweep_removes_old_temp_files_alone(tmp_path: Path) -> None:
    """A young temp file may be another run's; a published file is never touched."""
    landing = publish(tmp_path)
    folder = tmp_path / PLACE
    for name, age in ((".a.json.tmp-1-x", 61), (".b.json.tmp-1-x", 59), ("c.ndjson.zst", 99)):
        (folder / name).write_bytes(b"x")
        at = (NOON - timedelta(minutes=age)).timestamp()
        os.utime(folder / name, (at, at))

    assert [f"{PLACE}/.a.json.tmp-1-x"] == landing.sweep(NOON)
    assert {".b.json.tmp-1-x", "c.ndjson.zst", "r1.json", "r1.ndjson.zst"} == {
        path.name for path in folder.iterdir()
    }


def test_a_data_directory_without_raw_files_is_empty(tmp_path: Path) -> None:
    """The first run starts from nothing."""
    landing = Landing(tmp_path / "new")

    assert (landing.requests(), landing.verify(), landing.sweep(NOON)) == ([], [], [])
