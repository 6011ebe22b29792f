"""A sidecar says what it said when it was sealed, or nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from ibkr_pipeline.landing.ndjson import Block
from ibkr_pipeline.landing.sidecar import Sidecar, from_bytes, to_bytes
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline_tests.raw_requests import FIRST, SECOND, make_failed, make_proof, make_raw


def make_sidecar() -> Sidecar:
    """Return a sidecar with every field set."""
    return Sidecar(
        raw=make_raw({FIRST: 3}),
        blocks=(Block(name="position", columns=("seq", "account"), n_rows=3, n_bytes=90),),
        proof=make_proof(),
        outcomes=(make_failed(SECOND),),
    )


def resealed(**changes: object) -> bytes:
    """Return a sidecar's document with fields changed (None: removed) and a seal that fits."""
    document: dict[str, Any] = orjson.loads(to_bytes(make_sidecar()))
    del document["seal"]
    for name, value in changes.items():
        if value is None:
            del document[name]
        else:
            document[name] = value
    seal = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return orjson.dumps({**document, "seal": seal})


def test_a_sidecar_comes_back_as_it_was() -> None:
    """However its JSON is laid out."""
    assert make_sidecar() == from_bytes(to_bytes(make_sidecar()))
    assert make_sidecar() == from_bytes(resealed())


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (b"", "not JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "changed after publishing"),
        (to_bytes(make_sidecar()).replace(b'"failed"', b'"complete"'), "changed after publishing"),
        (resealed(format=2), "format is 2, this version reads 1: upgrade"),
        (resealed(proof=None), "lacks something"),
        (resealed(outcomes=[{"account_id": FIRST}]), "lacks something"),
        (resealed(messages=7), "lacks something"),
    ],
    ids=[
        "empty",
        "a list",
        "no seal",
        "another verdict",
        "newer format",
        "no proof",
        "half a verdict",
        "no messages",
    ],
)
def test_a_document_that_cannot_be_trusted_is_refused(data: bytes, flaw: str) -> None:
    """A verdict that changed on the disk would put failed rows into core."""
    with pytest.raises(RawDataError, match=flaw):
        from_bytes(data)
