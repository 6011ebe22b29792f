"""Whatever text a broker sends, landing gives it back, byte for byte."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline_tests.raw_requests import make_complete, make_proof

#: What brokers and attackers like to put into a field, beside any other text.
CORPUS = [
    "",
    " ",
    '"',
    "\\",
    "\\ud800",
    "\\u0000",
    "\0",
    "\n",
    "\r\n",
    "\u2028",
    "\ufeff",
    "null",
    "NaN",
    "1.7976931348623157E308",
    "2147483647",
    "-0",
    "{}",
    "[1,",
    "BRK/B",
    "../x",
    "é",
    "日本",
    "\U0001f4c8",
    "x" * 100_000,
]

texts = st.one_of(st.sampled_from(CORPUS), st.text(max_size=40))
names = st.one_of(
    st.sampled_from(["conId", "symbol", "a b", 'q"q', "ß", "*", "^.*$"]), st.text(min_size=1)
)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Generate payload frames: any text, null or empty, in any column order."""
    height = draw(st.integers(0, 6))
    fields = draw(
        st.lists(
            names.filter(lambda name: name not in {"seq", "account", "message"}),
            unique=True,
            max_size=5,
        )
    )
    columns: dict[str, pl.Series] = {
        name: pl.Series(
            draw(st.lists(st.one_of(st.none(), texts), min_size=height, max_size=height)),
            dtype=pl.String,
        )
        for name in fields
    }
    seqs = st.integers(-(2**63), 2**63 - 1)
    columns["seq"] = pl.Series(
        draw(st.lists(seqs, min_size=height, max_size=height)), dtype=pl.Int64
    )
    columns["account"] = pl.Series(
        draw(st.lists(texts, min_size=height, max_size=height)), dtype=pl.String
    )
    order = draw(st.permutations(list(columns)))
    return pl.DataFrame({name: columns[name] for name in order})


@given(payload=st.dictionaries(texts, frames(), max_size=3))
def test_every_payload_comes_back_exactly(payload: Mapping[str, pl.DataFrame]) -> None:
    """Text, null against empty, column order, row order, kinds and their order."""
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        raw = landing.publish(make_proof(), make_complete(), payload)
        found = Landing(Path(folder)).read("r1")
        problems = landing.verify()

    expected = [(name, frame.columns, frame.rows()) for name, frame in payload.items()]
    assert expected == [(name, frame.columns, frame.rows()) for name, frame in found.items()]
    assert raw.n_rows == sum(frame.height for frame in payload.values())
    assert raw.n_rows == sum(raw.rows_by_account.values())
    assert problems == []


@given(payload=st.dictionaries(texts, frames(), max_size=2), data=st.data())
def test_reading_accounts_equals_filtering_everything(
    payload: Mapping[str, pl.DataFrame], data: st.DataObject
) -> None:
    """A read of some accounts is no other read."""
    present = sorted({a for frame in payload.values() for a in frame["account"].to_list()})
    chosen = data.draw(st.lists(st.sampled_from(present), unique=True)) if present else []
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        landing.publish(make_proof(), (), payload)
        found = landing.read("r1", accounts=chosen)

    expected = {
        name: [row for row in frame.rows() if row[frame.columns.index("account")] in chosen]
        for name, frame in payload.items()
    }
    assert expected == {name: frame.rows() for name, frame in found.items()}
