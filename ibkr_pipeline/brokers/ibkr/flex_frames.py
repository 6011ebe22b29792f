"""Blocks of rows as typed frames: what is kept, what is counted, what fails.

What lives here: everything that happens to rows after they were gathered, a block at a time. What
must not: XML (`flex_reader.py`) or what a text means (`flex_columns.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

import polars as pl

from ibkr_pipeline.brokers.ibkr import flex_vocabulary as words
from ibkr_pipeline.brokers.ibkr.flex_columns import (
    ColumnError,
    flows_of,
    read_column,
    shortened,
    usual_form,
)
from ibkr_pipeline.brokers.ibkr.flex_fields import Field, Section
from ibkr_pipeline.brokers.ibkr.flex_rows import ACCOUNT, LEVEL, ORIGIN, Block, slot_name
from ibkr_pipeline.brokers.ibkr.flex_tally import Tally
from ibkr_pipeline.brokers.statements import StatementHeader

#: The row number and the statement of a row, beside its columns of text.
NUMBER, STATEMENT = "@number", "@statement"
#: What the broker writes for all accounts together.
EVERY_ACCOUNT: Final = "-"

_ADD_UP: Final = "SUMMARY"
_CODES: Final = re.compile("[;,]")

TallyOf = Callable[[str, Section], Tally]


def read_block(
    block: Block, headers: list[StatementHeader], tally_of: TallyOf
) -> pl.DataFrame | None:
    """Return the rows of a block that are kept, typed, with `@statement` and `@level`, or None.

    Rows of an account whose section failed are left out, from the bad row on; its tally says why.
    """
    section = block.section
    for (statement, account, level), rows in block.passed.items():
        owner = _owner(account, headers[statement])
        tally = tally_of(owner, section)
        tally.heard(level, rows)
        if level.upper() not in section.passed_over:
            tally.unknown_value("levelOfDetail", level, rows)
    if not block.lines:
        return None
    texts = _with_owners(block, headers)
    kinds = texts.group_by(ACCOUNT, LEVEL, ORIGIN, maintain_order=True).len()
    _count_rows(kinds, block, tally_of)
    kept = _kept(kinds, section)
    failed = _failed(kept, block, tally_of)
    if kept.height < kinds.height or failed:
        texts = _kept(texts, section).filter(~pl.col(ACCOUNT).is_in(sorted(failed)))
    if texts.is_empty():
        return None
    _count_values(texts, section, tally_of)
    return _typed(texts, section, headers, tally_of)


def _owner(account: str, header: StatementHeader) -> str:
    return header.account_id if account in ("", EVERY_ACCOUNT) else account


def _with_owners(block: Block, headers: list[StatementHeader]) -> pl.DataFrame:
    """Return the texts with their statement and number, every row with the account it is of."""
    texts = block.frame().with_columns(block.numbers().alias(NUMBER))
    statements = [origin.statement for origin in block.origins]
    if len(set(statements)) == 1:
        told = pl.lit(statements[0], dtype=pl.Int32)
    else:
        told = pl.col(ORIGIN).replace_strict(
            list(range(len(statements))), statements, return_dtype=pl.Int32
        )
    texts = texts.with_columns(told.alias(STATEMENT))
    unowned = texts[ACCOUNT].is_null() | (texts[ACCOUNT] == EVERY_ACCOUNT).fill_null(value=False)
    if not unowned.any():
        return texts
    if block.section.consolidated:
        # A sum over accounts; the level of detail may not have been selected.
        sums = (pl.col(ACCOUNT) == EVERY_ACCOUNT) & pl.col(LEVEL).is_null()
        texts = texts.with_columns(
            pl.when(sums).then(pl.lit(_ADD_UP)).otherwise(pl.col(LEVEL)).alias(LEVEL)
        )
    of_statement = pl.col(STATEMENT).replace_strict(
        sorted(set(statements)),
        [headers[statement].account_id for statement in sorted(set(statements))],
        return_dtype=pl.String,
    )
    return texts.with_columns(
        pl.when(unowned).then(of_statement).otherwise(pl.col(ACCOUNT)).alias(ACCOUNT)
    )


def _count_rows(kinds: pl.DataFrame, block: Block, tally_of: TallyOf) -> None:
    """Count rows by level, unknown levels, and attributes nobody knows."""
    section = block.section
    unknown = [_unknown_attributes(section, origin.attributes) for origin in block.origins]
    known_levels = section.passed_over | section.kept_levels
    for account, level, origin, rows in kinds.iter_rows():
        tally = tally_of(account, section)
        tally.heard(level, rows)
        if section.levels and level is not None and level.upper() not in known_levels:
            tally.unknown_value("levelOfDetail", level, rows)
        for name in unknown[origin]:
            tally.unknown_attribute(name, rows)


def _unknown_attributes(section: Section, attributes: tuple[str, ...]) -> list[str]:
    if section.gathers:
        return []
    known = section.attributes | section.left_out | words.LEFT_OUT | words.PERSONAL
    return [name for name in attributes if name not in known and name != "accountId"]


def _kept(texts: pl.DataFrame, section: Section) -> pl.DataFrame:
    """Return the rows at a level that is kept."""
    if not section.levels:
        return texts
    level = pl.col(LEVEL)
    return texts.filter(
        level.is_null() | level.str.to_uppercase().is_in(sorted(section.kept_levels))
    )


def _failed(kept: pl.DataFrame, block: Block, tally_of: TallyOf) -> set[str]:
    """Return the accounts whose section failed, now or before."""
    section = block.section
    missing = [section.missing(origin.attributes) for origin in block.origins]
    failed = set()
    for account, origin in kept.select(ACCOUNT, ORIGIN).iter_rows():
        tally = tally_of(account, section)
        tally.lacks(missing[origin])
        if account == EVERY_ACCOUNT:
            tally.fail(
                f"{section.name} has rows that name no account, in a statement that names none. "
                f"In the Flex query, section {section.box}, tick Account ID."
            )
        if tally.reason is not None:
            failed.add(account)
    return failed


def _count_values(texts: pl.DataFrame, section: Section, tally_of: TallyOf) -> None:
    """Count values outside the sets attributes are known to have."""
    if section.gathers:
        _count_no_flows(texts, section, tally_of)
    usual = texts.select(_all_known(section))
    for field in section.fields:
        if field.column not in usual.columns or usual.item(0, field.column):
            continue
        column = slot_name(field.attributes)
        strange = [
            text for text in texts[column].drop_nulls().unique() if not _is_known(text, field)
        ]
        if not strange:
            continue
        counted = (
            texts.filter(pl.col(column).is_in(strange))
            .group_by(ACCOUNT, column, maintain_order=True)
            .len()
        )
        for account, text, rows in counted.iter_rows():
            values = _CODES.split(text) if field.several else [text]
            for value in (each.strip() for each in values):
                if not _is_known(value, field):
                    tally_of(account, section).unknown_value(field.attributes[0], value, rows)


@cache
def _all_known(section: Section) -> tuple[pl.Expr, ...]:
    """Return, by column, whether its values are all of the set they are known to have."""
    return tuple(
        pl.col(slot_name(field.attributes)).is_in(sorted(field.known)).all().alias(field.column)
        for field in section.fields
        if field.known
    )


def _count_no_flows(texts: pl.DataFrame, section: Section, tally_of: TallyOf) -> None:
    """Count attributes that were taken for amounts, being new, and are none."""
    for account, text in texts.select(ACCOUNT, slot_name(())).drop_nulls().iter_rows():
        _, others = flows_of(text)
        for name in others:
            tally_of(account, section).unknown_attribute(name, 1)


def _is_known(text: str, field: Field) -> bool:
    if not field.several:
        return text in field.known
    return all(not code.strip() or code.strip() in field.known for code in _CODES.split(text))


def _typed(
    texts: pl.DataFrame, section: Section, headers: list[StatementHeader], tally_of: TallyOf
) -> pl.DataFrame | None:
    """Return the rows as the section's table; an account with a bad row is left out and fails."""
    while not texts.is_empty():
        try:
            return _read(texts, section, headers)
        except _BadRowError as bad:
            account = texts[ACCOUNT][bad.row]
            number = texts[NUMBER][bad.row]
            tally_of(account, section).fail(
                f"{section.name}, row {number}: {bad.attribute} was {bad.text}; "
                f"{bad.expected} was expected. The section's other rows were not taken either."
            )
            texts = texts.filter(pl.col(ACCOUNT) != account)
    return None


class _BadRowError(Exception):
    def __init__(self, *, row: int, attribute: str, text: str, expected: str) -> None:
        super().__init__(attribute)
        self.row = row
        self.attribute = attribute
        self.text = text
        self.expected = expected


def _read(texts: pl.DataFrame, section: Section, headers: list[StatementHeader]) -> pl.DataFrame:
    read = {"account_id": texts[ACCOUNT], "row_number": texts[NUMBER]}
    read |= _read_usual(texts, section)
    for field in section.fields:
        if field.column in read:
            continue
        try:
            read[field.column] = read_column(texts[slot_name(field.attributes)], field.reading)
        except ColumnError as e:
            attribute = field.attributes[0] if field.attributes else field.column
            raise _BadRowError(
                row=e.row, attribute=attribute, text=e.text, expected=e.expected
            ) from e
    for column, other in section.fallbacks.items():
        read[column] = _filled(read[column], read[other])
    if section.window:
        for column, dates in (
            ("from_date", [header.from_date for header in headers]),
            ("to_date", [header.to_date for header in headers]),
        ):
            told = pl.Series(dates, dtype=pl.Date).gather(texts[STATEMENT])
            read[column] = _filled(read[column], told)
    _check_filled(read, texts, section)
    typed = pl.DataFrame(
        [
            read[name].alias(name)
            if name in read
            else pl.Series(name, [None], dtype=dtype).new_from_index(0, texts.height)
            for name, dtype in section.table.schema.items()
        ]
    )
    return typed.with_columns(texts[STATEMENT], texts[LEVEL])


def _read_usual(texts: pl.DataFrame, section: Section) -> dict[str, pl.Series]:
    """Return the columns whose texts are all in the usual form, by a few passes for all of them."""
    whether, how = _usual_forms(section)
    holds = texts.select(whether.values()).row(0, named=True)
    read = texts.select(how[column] for column in how if holds[column]).to_dict()
    for field in section.fields:
        form = usual_form(field.reading)
        if form and form.may_fail and field.column in read:
            n_texts_null = texts[slot_name(field.attributes)].null_count()
            if read[field.column].null_count() != n_texts_null:
                del read[field.column]
    return read


@cache
def _usual_forms(section: Section) -> tuple[dict[str, pl.Expr], dict[str, pl.Expr]]:
    """Return, by column, whether its texts are in the usual form, and their values if so."""
    whether: dict[str, pl.Expr] = {}
    how: dict[str, pl.Expr] = {}
    for field in section.fields:
        form = usual_form(field.reading)
        if form is not None:
            texts = pl.col(slot_name(field.attributes))
            whether[field.column] = form.holds(texts).alias(field.column)
            how[field.column] = form.convert(texts).alias(field.column)
    return whether, how


def _filled(values: pl.Series, others: pl.Series) -> pl.Series:
    return values.zip_with(values.is_not_null(), others) if values.has_nulls() else values


def _check_filled(read: dict[str, pl.Series], texts: pl.DataFrame, section: Section) -> None:
    for field in section.filled:
        values = read[field.column]
        if values.has_nulls():
            row = values.is_null().arg_true()[0]
            text = texts[slot_name(field.attributes)][row]
            raise _BadRowError(
                row=row,
                attribute=field.attributes[0],
                text="empty" if text is None else shortened(text),
                expected="a value",
            )
