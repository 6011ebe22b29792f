"""Reads the `flex:` section of a scenario."""

from __future__ import annotations

from collections.abc import Iterable

from ibkr_pipeline.simulator.document import Section
from ibkr_pipeline.simulator.flex.options import (
    ACTIVITY_SECTIONS,
    CONFIRM_SECTIONS,
    DATE_FORMATS,
    DEFAULT_LEVELS,
    DEFAULT_QUERY,
    DEFAULT_TOKEN,
    LEVELS,
    PERIODS,
    TIME_FORMATS,
    TOKEN_STATES,
    FlexOptions,
    FlexQuery,
)


def read_flex_options(section: Section, accounts: Iterable[str]) -> FlexOptions:
    """Read the switches of the Flex service.

    Args:
        section: The scenario's `flex`.
        accounts: The accounts of the scenario.

    Raises:
        ScenarioError: If a key is unknown or a value is not one of the legal ones.
    """
    known = list(accounts)
    given = section.section("tokens").rest() or {DEFAULT_TOKEN: "valid"}
    queries = section.section("queries")
    read = {
        query_id: _read_query(query_id, Section(value, f"flex.queries.{query_id}"), known)
        for query_id, value in queries.rest().items()
    }
    options = FlexOptions(
        tokens={token: _token_state(section, state) for token, state in given.items()},
        queries=read or {DEFAULT_QUERY: FlexQuery()},
        generation_polls=section.integer("generation_polls", 1, low=0, high=1000),
        rate_limit=section.flag("rate_limit"),
        url_element=section.choice("url_element", "Url", ("Url", "url", "")),
    )
    section.end()
    return options


def _token_state(section: Section, state: object) -> str:
    if not isinstance(state, str) or state not in TOKEN_STATES:
        raise section.error(
            f"a token's state was {state!r}, expected one of: {', '.join(TOKEN_STATES)}."
        )
    return state


def _read_query(query_id: str, section: Section, known: list[str]) -> FlexQuery:
    kind = section.choice("type", "AF", ("AF", "TCF"))
    possible = ACTIVITY_SECTIONS if kind == "AF" else CONFIRM_SECTIONS
    sections = tuple(section.names("sections")) or possible
    accounts = tuple(section.names("accounts"))
    for name, legal in [*((s, possible) for s in sections), *((a, known) for a in accounts)]:
        if name not in legal:
            raise section.error(f"{name!r} is none of: {', '.join(legal)}.")
    query = FlexQuery(
        query_id=query_id,
        name=section.text("name", "Simulated Activity" if kind == "AF" else "Simulated Confirms"),
        kind=kind,
        period=section.choice("period", "LastBusinessDay" if kind == "AF" else "Today", PERIODS),
        output=section.choice("format", "xml", ("xml", "csv")),
        accounts=accounts,
        sections=sections,
        levels={**DEFAULT_LEVELS, **_read_levels(section.section("levels"))},
        omit=_read_omitted(section.section("omit")),
        date_format=section.choice("date_format", "yyyyMMdd", DATE_FORMATS),
        time_format=section.choice("time_format", "HHmmss", TIME_FORMATS),
        separator=section.choice("separator", ";", (";", ",", " ", "")),
        declaration=section.flag("declaration"),
        byte_order_mark=section.flag("byte_order_mark"),
    )
    section.end()
    return query


def _read_levels(section: Section) -> dict[str, tuple[str, ...]]:
    levels: dict[str, tuple[str, ...]] = {}
    for name, legal in LEVELS.items():
        chosen = section.names(name)
        unknown = sorted(set(chosen) - set(legal))
        if unknown:
            raise section.error(f"{name} has level {unknown[0]!r}, expected: {', '.join(legal)}.")
        if chosen:
            levels[name] = tuple(chosen)
    section.end()
    return levels


def _read_omitted(section: Section) -> dict[str, frozenset[str]]:
    omitted = {
        name: frozenset(section.names(name)) for name in (*ACTIVITY_SECTIONS, *CONFIRM_SECTIONS)
    }
    section.end()
    return {name: columns for name, columns in omitted.items() if columns}
