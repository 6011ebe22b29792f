"""Typed rows on their way to the sink: one account at a time, in frames of a useful size.

What lives here: what can only be said of a whole section, and the order frames leave in. What must
not: how a block of rows becomes a frame (`flex_frames.py`).

Everything here runs in one thread, beside the one that reads the XML.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from ibkr_pipeline.brokers.ibkr.flex_fields import Section
from ibkr_pipeline.brokers.ibkr.flex_frames import EVERY_ACCOUNT, STATEMENT, read_block
from ibkr_pipeline.brokers.ibkr.flex_rows import LEVEL, Block
from ibkr_pipeline.brokers.ibkr.flex_tally import Tally
from ibkr_pipeline.brokers.statements import RowSink, SectionResult, StatementHeader

#: Rows that are gathered before the sink gets them.
_FRAME_ROWS: Final = 5_000
#: Rows of a second choice that are held back while a better level may still come.
_MOST_HELD: Final = 200_000
#: A level that comes by itself: losses deferred in a period without trades.
_WASH_SALE: Final = "WASH_SALE"
#: Statement, account and section of rows.
_Key = tuple[int, str, str]


class Handover:
    """Types blocks, hands their rows to the sink, and knows how every section went.

    Attributes:
        statements: Statements of the file, in the order heard; the reader appends to it.
    """

    def __init__(self, sink: RowSink, *, max_sections: int) -> None:
        """Hand rows to `sink`; keep count of at most `max_sections` accounts times sections."""
        self.statements: list[StatementHeader] = []
        self._sink = sink
        self._max_sections = max_sections
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._ready: dict[_Key, list[pl.DataFrame]] = {}
        self._n_ready = 0
        self._held: dict[_Key, list[pl.DataFrame]] = {}
        self._n_held = 0
        self._settled: dict[_Key, bool] = {}
        self._unleveled: dict[_Key, list[pl.DataFrame]] = {}
        self._headers_of: dict[tuple[int, str], StatementHeader] = {}

    def tally(self, account_id: str, name: str, section: Section | None) -> Tally:
        """Return the tally of an account and section, made where there is none yet.

        Raises:
            OverflowError: There are more than can be kept.
        """
        key = (account_id, name)
        if key not in self._tallies:
            if len(self._tallies) >= self._max_sections:
                raise OverflowError(self._max_sections)
            self._tallies[key] = Tally(account_id, name, section)
        return self._tallies[key]

    def take(self, block: Block) -> None:
        """Type a block and pass its rows on."""
        section = block.section
        frame = read_block(
            block, self.statements, lambda account, of: self.tally(account, of.name, of)
        )
        if frame is None:
            return
        for (statement, account), rows in _by_account(frame):
            self._sort_out((statement, account, section.name), section, rows)
        if self._n_ready >= _FRAME_ROWS:
            self._hand_over()

    def finish(self) -> None:
        """Pass on what is left, and settle what only whole sections tell."""
        for key, frames in self._held.items():
            if self._settled.get(key) is not True:
                section = self._tallies[key[1], key[2]].section
                for frame in frames:
                    self._pass_on(key, frame)
                    if section and section.once:
                        self._unleveled.setdefault(key, []).append(frame.select(section.once))
        self._held.clear()
        self._hand_over()
        for (_, account, name), frames in self._unleveled.items():
            self._check_once(self._tallies[account, name], frames)
        self._check_levels()

    def results(self) -> tuple[SectionResult, ...]:
        """Return how every section went."""
        return tuple(
            tally.result()
            for tally in self._tallies.values()
            if tally.account_id != EVERY_ACCOUNT or tally.reason is not None
        )

    def headers(self) -> tuple[StatementHeader, ...]:
        """Return the header of every account and window, in the order heard."""
        for statement, header in enumerate(self.statements):
            if header.account_id != EVERY_ACCOUNT:
                self._header(statement, header.account_id)
        order = sorted(self._headers_of, key=lambda key: key[0])
        return tuple(dict.fromkeys(self._headers_of[key] for key in order))

    def _sort_out(self, key: _Key, section: Section, rows: pl.DataFrame) -> None:
        """Pass rows on, hold a second choice back, and drop it once there is better."""
        level = rows[LEVEL]
        rows = rows.drop(STATEMENT, LEVEL)
        if section.once and level.has_nulls():
            self._unleveled.setdefault(key, []).append(
                rows.filter(level.is_null()).select(section.once)
            )
        if not section.second_choice:
            self._pass_on(key, rows)
            return
        wanted = {name.upper() for name in section.second_choice}
        second = level.str.to_uppercase().is_in(sorted(wanted)).fill_null(value=False)
        better = rows.filter(~second)
        if not better.is_empty():
            self._settle_on_better(key, section, better)
        worse = rows.filter(second)
        if not worse.is_empty():
            self._hold(key, worse)

    def _settle_on_better(self, key: _Key, section: Section, rows: pl.DataFrame) -> None:
        if self._settled.get(key) is False:
            self._tallies[key[1], key[2]].fail(
                f"{key[2]} has rows of several levels that repeat each other, and too many to hold "
                f"back. In the Flex query, section {section.box}, tick {section.level_box} alone."
            )
        self._settled.setdefault(key, True)
        self._pass_on(key, rows)

    def _hold(self, key: _Key, rows: pl.DataFrame) -> None:
        settled = self._settled.get(key)
        if settled is True:
            return
        if settled is False:
            self._pass_on(key, rows)
            return
        self._held.setdefault(key, []).append(rows)
        self._n_held += rows.height
        if self._n_held > _MOST_HELD:
            for held_key, frames in self._held.items():
                if self._settled.setdefault(held_key, False) is False:
                    for frame in frames:
                        self._pass_on(held_key, frame)
            self._held.clear()
            self._n_held = 0

    def _pass_on(self, key: _Key, rows: pl.DataFrame) -> None:
        self._tallies[key[1], key[2]].n_kept += rows.height
        self._ready.setdefault(key, []).append(rows)
        self._n_ready += rows.height

    def _hand_over(self) -> None:
        for (statement, account, name), frames in self._ready.items():
            self._sink.add(self._header(statement, account), name, pl.concat(frames))
        self._ready = {}
        self._n_ready = 0

    def _header(self, statement: int, account: str) -> StatementHeader:
        """Return the header of an account in a statement: its own, or alike but for the account."""
        key = (statement, account)
        if key not in self._headers_of:
            self._headers_of[key] = replace(self.statements[statement], account_id=account)
        return self._headers_of[key]

    def _check_levels(self) -> None:
        """Fail sections that have rows, and none at the level that counts."""
        by_name: dict[str, list[Tally]] = {}
        for tally in self._tallies.values():
            by_name.setdefault(tally.name, []).append(tally)
        for tallies in by_name.values():
            if not any(tally.n_kept or tally.reason for tally in tallies):
                for tally in tallies:
                    _check_level(tally)

    def _check_once(self, tally: Tally, frames: list[pl.DataFrame]) -> None:
        section = tally.section
        if section is None:
            return
        keys = pl.concat(frames)
        n_twice = keys.height - keys.n_unique()
        if n_twice:
            tally.fail(
                f"{tally.name} tells {n_twice} of its rows more than once and no level of detail: "
                f"sums and lots cannot be told apart. In the Flex query, section {section.box}, "
                f"tick Level of Detail, or {section.level_box} alone."
            )


def _check_level(tally: Tally) -> None:
    levels = tally.levels - {_WASH_SALE}
    if tally.section is None or not levels:
        return
    section = tally.section
    tally.fail(
        f"{tally.name} has no rows but those of level {', '.join(sorted(levels))}, which do not "
        f"count by themselves. In the Flex query, section {section.box}, tick "
        f"{section.level_box or 'its rows'} and Level of Detail."
    )


def _by_account(
    frame: pl.DataFrame,
) -> list[tuple[tuple[int, str], pl.DataFrame]]:
    """Return the rows by statement and account, in the order heard."""
    owners = frame.select(STATEMENT, "account_id").unique(maintain_order=True)
    if owners.height == 1:
        return [(owners.row(0), frame)]
    parts = frame.partition_by(STATEMENT, "account_id", maintain_order=True)
    return [((part[STATEMENT][0], part["account_id"][0]), part) for part in parts]
