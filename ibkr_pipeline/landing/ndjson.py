"""Payload frames to compressed NDJSON and back, losing nothing.

What lives here: the encoding of one raw file's bytes. What must not: paths, hashes, the sidecar.
One JSON object per message: `message`, `seq`, `account`, then the fields of its own kind as text.
Messages of one kind stand together; `seq` gives the order of arrival across kinds.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import zstandard

from ibkr_pipeline.models.requests import Payload
from ibkr_pipeline.primitives.errors import RawDataError, SchemaError

MESSAGE = "message"
SEQ = "seq"
ACCOUNT = "account"

#: Level 1 was both the fastest and the smallest on rows of positions; higher levels gain nothing.
LEVEL = 1
#: Rows encoded at a time; bounds memory, costs no time.
ROWS_PER_CHUNK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The messages of one kind in a file, as the sidecar describes them.

    Attributes:
        name: Kind of message.
        columns: Columns of its frame, in order.
        n_rows: Messages.
        n_bytes: Bytes they take before compression.
    """

    name: str
    columns: tuple[str, ...]
    n_rows: int
    n_bytes: int


def encode(payload: Payload) -> tuple[list[bytes], tuple[Block, ...]]:
    """Return the file's bytes in pieces, and what they hold.

    Raises:
        SchemaError: If a frame is not one of `seq`, `account` and text columns.
    """
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
    pieces: list[bytes] = []
    blocks = []
    for name, frame in payload.items():
        _check_frame(name, frame)
        n_bytes = 0
        lines = _as_lines(name, frame)
        for part in lines.iter_slices(ROWS_PER_CHUNK):
            buffer = io.BytesIO()
            part.write_ndjson(buffer)
            n_bytes += buffer.tell()
            pieces.append(compressor.compress(buffer.getbuffer()))
        columns = tuple(frame.columns)
        blocks.append(Block(name=name, columns=columns, n_rows=frame.height, n_bytes=n_bytes))
    pieces.append(compressor.flush())
    return [piece for piece in pieces if piece], tuple(blocks)


def decode(
    data: bytes, blocks: Sequence[Block], accounts: Sequence[str] | None = None
) -> dict[str, pl.DataFrame]:
    """Return the frames of a file, of some accounts or of all.

    Raises:
        RawDataError: If the bytes are not what `blocks` describe. The message lacks the file's
            name, which only the caller knows.
    """
    payload = {}
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as reader:
        for block in blocks:
            frame = _decode_block(_exactly(reader, block), block)
            if accounts is not None:
                frame = frame.filter(pl.col(ACCOUNT).is_in(list(accounts)))
            payload[block.name] = frame
        if reader.read(1):
            raise RawDataError("it holds more than the messages its sidecar describes")
    return payload


def rows_by_account(payload: Payload) -> dict[str, int]:
    """Return account -> messages, over all kinds; messages of no account are under the empty text.

    Accounts come in alphabetical order; one without messages is absent.
    """
    columns = [frame.select(ACCOUNT) for frame in payload.values() if frame.height]
    if not columns:
        return {}
    counts = pl.concat(columns).group_by(ACCOUNT).len().sort(ACCOUNT)
    return dict(zip(counts[ACCOUNT].to_list(), counts["len"].to_list(), strict=True))


def schema_of(columns: Sequence[str]) -> dict[str, pl.DataType]:
    """Return the types of a frame with these columns: text, but for `seq`."""
    return {name: pl.Int64() if name == SEQ else pl.String() for name in columns}


def _check_frame(name: str, frame: pl.DataFrame) -> None:
    expected = schema_of(frame.columns)
    wrong = [
        f"{column} is {frame.schema[column]}"
        for column, dtype in expected.items()
        if frame.schema[column] != dtype
    ]
    wrong += [f"{column} is missing" for column in (SEQ, ACCOUNT) if column not in expected]
    wrong += [f"a field is named {MESSAGE}"] if MESSAGE in expected else []
    if not wrong:
        wrong = [f"{c} holds nulls" for c in (SEQ, ACCOUNT) if frame[c].null_count()]
    if wrong:
        raise SchemaError(
            f"Payload frame {name!r} cannot be landed: {'; '.join(wrong)}. Expected `{SEQ}` as "
            f"Int64, `{ACCOUNT}` and every field as String, and no null in the first two."
        )


def _as_lines(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    fields = [column for column in frame.columns if column not in (SEQ, ACCOUNT)]
    # By Series, not by name: a field called `*` would be taken for all of them.
    message = pl.Series(MESSAGE, [name], dtype=pl.String).new_from_index(0, frame.height)
    return pl.DataFrame(
        [message, *(frame.get_column(column) for column in (SEQ, ACCOUNT, *fields))]
    )


def _exactly(reader: zstandard.ZstdDecompressionReader, block: Block) -> bytes:
    try:
        data = reader.read(block.n_bytes) if block.n_bytes else b""
    except zstandard.ZstdError as error:
        raise RawDataError(f"it cannot be decompressed ({error})") from error
    if len(data) != block.n_bytes:
        raise RawDataError(
            f"its {block.name!r} messages took {len(data)} bytes, {block.n_bytes} were expected"
        )
    return data


def _decode_block(data: bytes, block: Block) -> pl.DataFrame:
    schema = schema_of(block.columns)
    if not data:
        return pl.DataFrame(schema=schema)
    try:
        frame = pl.read_ndjson(data, schema=schema)
    except pl.exceptions.PolarsError as error:
        raise RawDataError(f"its {block.name!r} messages are not JSON lines ({error})") from error
    if frame.height != block.n_rows:
        raise RawDataError(
            f"it holds {frame.height} {block.name!r} messages, {block.n_rows} were expected"
        )
    return frame
