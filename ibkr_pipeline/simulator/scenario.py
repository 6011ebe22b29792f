"""Scenario files: from YAML to a ready simulator.

What lives here: the keys of a scenario and how they become accounts, orders, gateway switches and
faults. What must not: the rules of the book itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import yaml

from ibkr_pipeline.simulator.activity import play_orders, read_orders
from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.document import ScenarioError, Section
from ibkr_pipeline.simulator.flex.options_reader import read_flex_options
from ibkr_pipeline.simulator.gateway.faults import Fault, FaultError, FaultPlan, parse_fault
from ibkr_pipeline.simulator.gateway.options import (
    MAXIMUM_VERSION,
    MINIMUM_VERSION,
    GatewayOptions,
)
from ibkr_pipeline.simulator.gateway.recording import Recorder
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.generation import generate_accounts, generate_executions
from ibkr_pipeline.simulator.instruments import Catalogue, Instrument, built_in_instruments
from ibkr_pipeline.simulator.market import Liquidity, Market
from ibkr_pipeline.simulator.prices import PriceTape
from ibkr_pipeline.simulator.records import AccountOpening
from ibkr_pipeline.simulator.script_reader import read_script
from ibkr_pipeline.simulator.sessions import SimulatorClock, is_session
from ibkr_pipeline.simulator.wire.text import TIME_FORMATS

DEFAULT_SCENARIO = "default"
_WRITTEN_ON = ("STK", "IND")


def load_simulator(
    source: str | Path | None = None, *, seed: int | None = None, recorder: Recorder | None = None
) -> Simulator:
    """Build a simulator from a scenario file or the name of a bundled scenario.

    Args:
        source: Path of a YAML file, or a bundled name; None is the default scenario.
        seed: Replaces the seed of the scenario.
        recorder: Where requests are recorded.

    Raises:
        ScenarioError: If the file is missing, is not YAML or says something unknown.
    """
    text, where = read_scenario(source)
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{where} is not YAML: {error}") from error
    return build_simulator(document, where=where, seed=seed, recorder=recorder)


def bundled_scenarios() -> list[str]:
    """Return the names of the scenarios that come with the package."""
    folder = resources.files("ibkr_pipeline.simulator") / "scenarios"
    return sorted(
        f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")
    )


def read_scenario(source: str | Path | None) -> tuple[str, str]:
    """Return the text of a scenario and how messages name it."""
    name = str(source or DEFAULT_SCENARIO)
    if name in bundled_scenarios():
        file = resources.files("ibkr_pipeline.simulator") / "scenarios" / f"{name}.yaml"
        return file.read_text(encoding="utf-8"), name
    try:
        return Path(name).read_text(encoding="utf-8"), name
    except OSError as error:
        raise ScenarioError(
            f"Scenario {name!r} cannot be read ({error.strerror}); give a file or one of: "
            f"{', '.join(bundled_scenarios())}."
        ) from error


def build_simulator(
    document: object,
    *,
    where: str = "scenario",
    seed: int | None = None,
    recorder: Recorder | None = None,
) -> Simulator:
    """Build a simulator from a parsed scenario document.

    Raises:
        ScenarioError: If the document says something unknown or impossible.
    """
    root = Section(document, where)
    root.text("name", "")
    root.text("description", "")
    scenario_seed = root.integer("seed", 7, low=0, high=2**31)
    chosen_seed = scenario_seed if seed is None else seed
    options = _read_gateway(root.section("gateway"))
    market = _read_market(root, chosen_seed)
    openings = _read_accounts(root.sections("accounts"), market.catalogue)
    generated = generate_accounts(root.section("generate_accounts"), market, chosen_seed)
    if not openings and not generated:
        raise root.error("no account is defined; add one under accounts.")
    book = Book(market, seed=chosen_seed, openings=[*openings, *generated])
    orders = read_orders(book, root.sections("orders"))
    book.script = read_script(root, book)
    play_orders(book, orders)
    generate_executions(root.section("generate_executions"), book, chosen_seed)
    plan = FaultPlan(_read_faults(root.sections("faults")))
    flex_options = read_flex_options(root.section("flex"), book.accounts)
    root.end()
    _check_advisor(root, options, book)
    _check_currencies(root, book)
    return Simulator(book, options, plan, recorder, flex_options)


def _read_gateway(section: Section) -> GatewayOptions:
    options = GatewayOptions(
        server_version=section.integer(
            "server_version", MAXIMUM_VERSION, low=MINIMUM_VERSION, high=MAXIMUM_VERSION
        ),
        time_format=section.choice("time_format", "zoned", TIME_FORMATS),
        time_zone_label=section.text("time_zone_label", "US/Eastern"),
        ledger_prefix=section.flag("ledger_prefix"),
        account_not_ready_first=section.flag("account_not_ready_first"),
        read_only=section.flag("read_only"),
        rate_limit=section.integer("rate_limit", 0, low=0, high=10_000),
        max_position_accounts=section.integer("max_position_accounts", 0, low=0, high=100_000),
        commission_order=section.choice(
            "commission_order", "interleaved", ("interleaved", "after_executions")
        ),
        master_client_id=section.integer("master_client_id", -1, low=-1, high=2**31),
        advisor=section.text("advisor", ""),
    )
    groups = section.section("groups")
    members = {name: tuple(_names(section, value)) for name, value in groups.rest().items()}
    section.end()
    return replace(options, groups=members)


def _names(section: Section, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise section.error(f"a group was {value!r}, expected a list of accounts.")
    return list(value)


def _read_market(root: Section, seed: int) -> Market:
    clock = root.section("clock")
    session = _read_date(clock, "session", "2026-11-18")
    at = _read_time(clock, "time", "16:20:00")
    zone = clock.text("time_zone", "America/New_York")
    clock.end()
    if not is_session(session):
        raise root.error(f"clock.session was {session}, expected a trading session.")
    try:
        simulated = SimulatorClock(session, at, zone)
    except ZoneInfoNotFoundError as error:
        raise root.error(f"clock.time_zone was {zone!r}, expected a known zone.") from error
    liquidity = root.section("liquidity")
    found = Liquidity(
        slice_quantity=liquidity.decimal("slice_quantity", "0"),
        available_quantity=liquidity.decimal("available_quantity", "0"),
    )
    liquidity.end()
    listed = built_in_instruments()
    for described in root.sections("instruments"):
        listed.append(_read_instrument(described, listed))
    catalogue = Catalogue(_with_marks(listed, root.amounts("marks"), root))
    return Market(
        catalogue=catalogue,
        tape=PriceTape(seed, session),
        clock=simulated,
        base_currency=root.text("base_currency", "USD"),
        liquidity=found,
    )


def _read_instrument(section: Section, listed: Iterable[Instrument]) -> Instrument:
    strike = section.optional_decimal("strike")
    symbol = section.text("symbol")
    instrument = Instrument(
        con_id=section.integer("con_id", low=1, high=2**31 - 1),
        symbol=symbol,
        sec_type=section.choice("sec_type", "STK", ("STK", "OPT", "FUT", "CASH", "IND")),
        currency=section.text("currency", "USD"),
        mark=section.positive("mark"),
        exchange=section.text("exchange", "SMART"),
        listing=section.text("listing", ""),
        local_symbol=section.text("local_symbol", symbol),
        trading_class=section.text("trading_class", symbol),
        multiplier=section.integer("multiplier", 1, low=1, high=1_000_000),
        expiry=section.text("expiry", ""),
        expiry_time=section.text("expiry_time", ""),
        strike=strike,
        right=section.choice("right", "", ("", "C", "P")),
        min_tick=section.decimal("min_tick", "0.01"),
        long_name=section.text("long_name", symbol),
        isin=section.text("isin", ""),
        under_con_id=_underlying_id(section, symbol, listed),
    )
    section.end()
    return instrument


def _underlying_id(section: Section, symbol: str, listed: Iterable[Instrument]) -> int:
    """Return the contract id an option is written on: named, or what has the same symbol."""
    named = section.text("underlying", "")
    for instrument in listed:
        by_name = instrument.local_symbol == named
        if by_name if named else instrument.symbol == symbol and instrument.sec_type in _WRITTEN_ON:
            return instrument.con_id
    if named:
        raise section.error(f"underlying was {named!r}, which is not listed above it.")
    return 0


def _with_marks(
    instruments: Iterable[Instrument], marks: dict[str, Decimal], root: Section
) -> list[Instrument]:
    by_name = {i.local_symbol: i for i in instruments}
    for name, mark in marks.items():
        if name not in by_name:
            raise root.error(f"marks names {name!r}; expected: {', '.join(sorted(by_name))}.")
        by_name[name] = replace(by_name[name], mark=mark)
    return list(by_name.values())


def _read_accounts(sections: Iterable[Section], catalogue: Catalogue) -> list[AccountOpening]:
    openings: list[AccountOpening] = []
    for section in sections:
        positions = [_read_position(s, catalogue) for s in section.sections("positions")]
        opening = AccountOpening(
            account=section.text("account"),
            account_type=section.text("account_type", "INDIVIDUAL"),
            cash=section.amounts("cash"),
            positions=tuple(positions),
        )
        section.end()
        if opening.account in {o.account for o in openings}:
            raise section.error(f"account {opening.account} is defined twice.")
        openings.append(opening)
    return openings


def _read_position(section: Section, catalogue: Catalogue) -> tuple[Instrument, Decimal, Decimal]:
    try:
        instrument = catalogue.named(section.text("instrument"))
    except LookupError as error:
        raise section.error(str(error)) from error
    quantity = section.decimal("quantity")
    price = section.positive("average_price")
    section.end()
    return instrument, quantity, price


def _read_faults(sections: Iterable[Section]) -> list[Fault]:
    faults: list[Fault] = []
    for section in sections:
        try:
            faults.append(parse_fault(section.rest()))
        except FaultError as error:
            raise section.error(str(error)) from error
    return faults


def _read_date(section: Section, key: str, default: str) -> date:
    # YAML reads an unquoted date as a date of its own.
    value = section.value(key, default)
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError as error:
        raise section.error(f"{key} was {value!r}, expected YYYY-MM-DD.") from error


def _read_time(section: Section, key: str, default: str) -> time:
    value = section.value(key, default)
    try:
        return time.fromisoformat(str(value))
    except ValueError as error:
        raise section.error(f"{key} was {value!r}, expected a quoted HH:MM or HH:MM:SS.") from error


def _check_currencies(root: Section, book: Book) -> None:
    known = book.market.rates()
    for ledger in book.accounts.values():
        held = {*ledger.cash, *(h.instrument.currency for h in ledger.holdings.values())}
        unknown = sorted(held - set(known))
        if unknown:
            raise root.error(
                f"account {ledger.account} holds {unknown[0]}, which has no pair against "
                f"{book.market.base_currency}; list one or use: {', '.join(sorted(known))}."
            )


def _check_advisor(root: Section, options: GatewayOptions, book: Book) -> None:
    named = {options.advisor} if options.advisor else set()
    named |= {account for members in options.groups.values() for account in members}
    unknown = sorted(named - set(book.accounts))
    if unknown:
        raise root.error(f"gateway names account {unknown[0]!r}, which is not under accounts.")
