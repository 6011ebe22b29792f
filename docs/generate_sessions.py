"""Write down the sessions of the calendar library, so that it need not be asked for them.

What lives here: how the library's calendars become `primitives/session_table.py`. What must not:
facts about any session.

Usage: `python docs/generate_sessions.py`, after an update of exchange_calendars.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import exchange_calendars

from ibkr_pipeline.primitives import session_table
from ibkr_pipeline.primitives.sessions import HOURS, ROLLOVERS

FIRST_YEAR, LAST_YEAR = 1990, 2040
_LIBRARY = "exchange_calendars"
_FILE = Path(session_table.__file__)
_BEGIN = "#: Version of the library that told them.\n"
_PER_LINE = 10


def main() -> None:
    """Write the table anew below the part of the module that is written by hand."""
    text = _FILE.read_text(encoding="utf-8")
    calendars = [_of(name) for name in ROLLOVERS]
    facts = [
        f'LIBRARY = "{version(_LIBRARY)}"\n',
        "#: Years they tell of, both included.\n",
        f"FIRST_YEAR, LAST_YEAR = {FIRST_YEAR}, {LAST_YEAR}\n\n",
        "WRITTEN: Mapping[str, Written] = {\n",
        *calendars,
        "}\n",
    ]
    _FILE.write_text(text.partition(_BEGIN)[0] + _BEGIN + "".join(facts), encoding="utf-8")


def _of(name: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = exchange_calendars.get_calendar(
            name, start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31"
        )
        schedule = found.schedule
        sessions = [day.date() for day in schedule.index]
        closes = schedule["close"].dt.tz_convert(ROLLOVERS[name][0])
    early: dict[str, list[date]] = {}
    for day, close in zip(sessions, closes, strict=True):
        if close.time() != HOURS[name].closes:
            early.setdefault(close.strftime("%H:%M"), []).append(day)
    first = date(FIRST_YEAR, 1, 1)
    days = (first + timedelta(days=n) for n in range((date(LAST_YEAR, 12, 31) - first).days + 1))
    closed = sorted({day for day in days if day.weekday() < 5} - set(sessions))
    lines = [
        f'    "{name}": Written(\n',
        f"        closed={_listed(closed)},\n",
        "        early={\n",
    ]
    lines += [f'            "{at}": {_listed(days)},\n' for at, days in sorted(early.items())]
    return "".join([*lines, "        },\n", "    ),\n"])


def _listed(days: Iterable[date]) -> str:
    texts = [day.strftime("%Y%m%d") for day in days]
    lines = [" ".join(texts[at : at + _PER_LINE]) for at in range(0, len(texts), _PER_LINE)]
    return '"""\n' + "\n".join(lines) + '\n"""'


if __name__ == "__main__":
    main()
