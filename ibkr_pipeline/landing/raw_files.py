"""Raw files: published whole or not at all, listed by their sidecars, checked before every read.

What lives here: `Landing`, the only writer and reader of raw files. What must not: what the
messages mean (`normalization/`), which of them core has read (`control/`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import polars as pl

from ibkr_pipeline.landing import documents, layout, ndjson, sidecar
from ibkr_pipeline.landing.durable import move_durably, write_durably
from ibkr_pipeline.models.requests import Payload, RawFile, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.errors import PipelineError, RawDataError

#: A temp file older than this belongs to nobody any more.
TEMP_AGE = timedelta(hours=1)

_MEND = (
    "Restore the file from a backup, or move it and its sidecar out of the raw folder so that "
    "nothing reads them."
)


class Landing:
    """The raw files below one data directory.

    Safe to use from several processes: a file is written by one request alone and never changed.

    Args:
        root: The data directory; raw files go to `raw/` in it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._places: dict[str, layout.Place] = {}

    def publish(
        self, proof: RequestProof, outcomes: Sequence[SubjectOutcome], payload: Payload
    ) -> RawFile:
        """Write a request's messages, then its sidecar; only then does the file exist.

        An empty payload is published too: an empty account is a fact. Killed anywhere, either
        nothing is listed or everything is.

        Raises:
            RawDataError: If the request was published before, or its id may not name a file.
            SchemaError: If a frame of the payload is not made of text.
            DiskFullError: If there is no room; nothing is listed.
        """
        place = self._new_place(proof)
        pieces, blocks = ndjson.encode(payload)
        raw = RawFile(
            path=place.data.relative_to(self._root).as_posix(),
            n_rows=sum(block.n_rows for block in blocks),
            n_bytes=sum(len(piece) for piece in pieces),
            sha256=_sha256(pieces),
            rows_by_account=ndjson.rows_by_account(payload),
        )
        document = sidecar.to_bytes(
            sidecar.Sidecar(raw=raw, blocks=blocks, proof=proof, outcomes=tuple(outcomes))
        )
        try:
            write_durably(place.data, pieces, n_bytes=raw.n_bytes)
            write_durably(place.sidecar, [document], n_bytes=len(document))
        except PipelineError:
            _forget(place)
            raise
        self._places[proof.request_id] = place
        return raw

    def publish_document(
        self, proof: RequestProof, outcomes: Sequence[SubjectOutcome], document: Path
    ) -> RawFile:
        """Keep a document as it came, compressed, then its sidecar; it is never whole in memory.

        Args:
            proof: Of its request.
            outcomes: Verdict on each of its parts.
            document: The document, in a file that stays as it is meanwhile.

        Raises:
            RawDataError: If the request was published before, or its id may not name a file.
            DiskFullError: If there is no room; nothing is listed.
        """
        place = self._new_place(proof)
        packed = documents.pack(document, place.data)
        return self._publish_at(place, proof, outcomes, packed)

    def publish_packed(
        self,
        proof: RequestProof,
        outcomes: Sequence[SubjectOutcome],
        packed: documents.PackedDocument,
    ) -> RawFile:
        """Keep a document that was packed already, in a folder of the same data directory.

        Raises:
            RawDataError: If the request was published before, its id may not name a file, or the
                packed file cannot be moved.
            DiskFullError: If there is no room; nothing is listed.
        """
        place = self._new_place(proof)
        move_durably(packed.path, place.data)
        return self._publish_at(place, proof, outcomes, packed)

    def _publish_at(
        self,
        place: layout.Place,
        proof: RequestProof,
        outcomes: Sequence[SubjectOutcome],
        packed: documents.PackedDocument,
    ) -> RawFile:
        raw = RawFile(
            path=place.data.relative_to(self._root).as_posix(),
            n_rows=sum(outcome.n_rows or 0 for outcome in outcomes),
            n_bytes=packed.n_bytes,
            sha256=packed.sha256,
            rows_by_account=_rows_by_account(outcomes),
            content_sha256=packed.content_sha256,
            content_bytes=packed.content_bytes,
        )
        beside = sidecar.Sidecar(raw=raw, blocks=(), proof=proof, outcomes=tuple(outcomes))
        try:
            write_durably(place.sidecar, [sidecar.to_bytes(beside)])
        except PipelineError:
            _forget(place)
            raise
        self._places[proof.request_id] = place
        return raw

    @contextmanager
    def open_document(self, request_id: str) -> Iterator[BinaryIO]:
        """Open the original bytes of a document; they are compared with the sidecar at the end.

        What was read is to be believed only if no error follows: size and hash are known at the
        end of the file alone.

        Raises:
            RawDataError: If a file is missing, torn or changed; names it.
        """
        place = self._place(request_id)
        beside = _load_sidecar(place)
        with documents.unpacked(place.data, beside.raw, mend=_MEND) as stream:
            yield stream

    def read(
        self, request_id: str, *, accounts: Sequence[str] | None = None
    ) -> dict[str, pl.DataFrame]:
        """Return the messages of a request as they were published, of some accounts or of all.

        Size, hash and rows are compared with the sidecar before anything is handed out.

        Raises:
            RawDataError: If a file is missing, torn or changed; names it.
        """
        place = self._place(request_id)
        beside = _load_sidecar(place)
        data = _load_data(place, beside)
        try:
            return ndjson.decode(data, beside.blocks, accounts)
        except RawDataError as error:
            raise RawDataError(f"Raw file {place.data} is broken: {error}. {_MEND}") from error

    def proof(self, request_id: str) -> tuple[RequestProof, tuple[SubjectOutcome, ...], RawFile]:
        """Return a request's proof, its verdicts and its raw file as the sidecar tells them.

        Raises:
            RawDataError: If there is no such sidecar, or it is torn or changed.
        """
        beside = _load_sidecar(self._place(request_id))
        return beside.proof, beside.outcomes, beside.raw

    def requests(self) -> list[str]:
        """Return the ids of all published requests, in the order they were started."""
        self._places = layout.listed(self._root)
        return list(self._places)

    def verify(self) -> list[str]:
        """Return what is wrong with the raw files, one sentence per file; empty if nothing is."""
        problems = []
        places = layout.listed(self._root)
        for place in places.values():
            try:
                _load_data(place, _load_sidecar(place))
            except RawDataError as error:
                problems.append(str(error))
        known = {place.data for place in places.values()}
        known |= {place.sidecar for place in places.values()}
        strays = {p for p in layout.walk(self._root) if not layout.is_temp(p)} - known
        return problems + [_stray(path) for path in sorted(strays)]

    def sweep(self, now: datetime) -> list[str]:
        """Remove temp files that a killed process left more than an hour before `now`.

        Returns:
            The removed files, relative to the data directory.
        """
        removed = []
        for path in sorted(layout.walk(self._root)):
            if not layout.is_temp(path):
                continue
            with suppress(FileNotFoundError):
                written = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
                if now - written > TEMP_AGE:
                    path.unlink()
                    removed.append(path.relative_to(self._root).as_posix())
        return removed

    def _new_place(self, proof: RequestProof) -> layout.Place:
        place = layout.place_of(self._root, proof)
        if place.sidecar.exists():
            raise RawDataError(
                f"Request {proof.request_id} was published before, as {place.data}; raw files "
                "never change. Use a new request id."
            )
        return place

    def _place(self, request_id: str) -> layout.Place:
        layout.check_request_id(request_id)
        if request_id not in self._places:
            self._places = layout.listed(self._root)
        place = self._places.get(request_id)
        if place is not None:
            return place
        orphans = [p for p in layout.walk(self._root) if layout.request_id_of(p) == request_id]
        if orphans:
            raise RawDataError(_stray(orphans[0]))
        raise RawDataError(
            f"No raw file of request {request_id} was found below {self._root / layout.RAW}; "
            "expected its sidecar. Use an id that `requests()` lists, or check the data directory."
        )


def _forget(place: layout.Place) -> None:
    for path in (place.sidecar, place.data):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _rows_by_account(outcomes: Sequence[SubjectOutcome]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for outcome in outcomes:
        rows[outcome.account_id] = rows.get(outcome.account_id, 0) + (outcome.n_rows or 0)
    return {account: n_rows for account, n_rows in rows.items() if n_rows}


def _load_sidecar(place: layout.Place) -> sidecar.Sidecar:
    try:
        beside = sidecar.from_bytes(place.sidecar.read_bytes())
    except OSError as error:
        raise RawDataError(
            f"Sidecar {place.sidecar} cannot be read: {error.strerror or error}. {_MEND}"
        ) from error
    except RawDataError as error:
        raise RawDataError(f"Sidecar {place.sidecar} is broken: {error}. {_MEND}") from error
    expected = layout.request_id_of(place.sidecar)
    if beside.proof.request_id != expected:
        raise RawDataError(
            f"Sidecar {place.sidecar} is the one of request {beside.proof.request_id}; expected "
            f"{expected}. It was renamed or copied. {_MEND}"
        )
    return beside


def _load_data(place: layout.Place, beside: sidecar.Sidecar) -> bytes:
    try:
        data = place.data.read_bytes()
    except OSError as error:
        raise RawDataError(
            f"Raw file {place.data} cannot be read: {error.strerror or error}; its sidecar "
            f"expects {beside.raw.n_bytes} bytes. {_MEND}"
        ) from error
    if len(data) != beside.raw.n_bytes:
        raise RawDataError(
            f"Raw file {place.data} has {len(data)} bytes; its sidecar expects "
            f"{beside.raw.n_bytes}. {_MEND}"
        )
    found = _sha256([data])
    if found != beside.raw.sha256:
        raise RawDataError(
            f"Raw file {place.data} has sha256 {found}; its sidecar expects {beside.raw.sha256}. "
            f"It was changed after publishing. {_MEND}"
        )
    return data


def _sha256(pieces: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _stray(path: Path) -> str:
    return (
        f"File {path} has no sidecar and is read by nothing; expected only published files below "
        "the raw folder. If a publish was interrupted, its request was never complete: move the "
        "file away."
    )
