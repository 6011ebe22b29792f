"""The text of one attribute as a value: numbers, dates, times, flags.

What lives here: one function per kind of value, from text to value. What must not: whole columns
(`flex_columns.py`), or which attribute is of which kind (`flex_sections.py`).

Times of a statement carry no zone; they are New York time. Where the clocks go back, an hour comes
twice: the first is meant (daylight time). Where they go forward, an hour is skipped: its times are
read with the offset before the change, an hour later on the clock. Both are what `fold=0` means.
Source: IBKR books assignments of US options at 16:20:00, which is New York time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

#: Zone of every time in a statement that names none.
STATEMENT_ZONE = "America/New_York"
#: What the broker writes where a value does not apply.
NOTHING = frozenset({"", "-", "--", "N/A", "n/a"})
#: Likewise for dates and times of rows that stand for several.
NO_TIME = NOTHING | {"MULTI"}

_ZONE = ZoneInfo(STATEMENT_ZONE)
#: Digits of a decimal column, before and after the point.
DIGITS = 38
_NUMBER = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)?(?:\.[0-9]*)?")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DATE = (
    r"(?:(?P<y>\d{4})(?P<dash>-?)(?P<m>\d\d)(?P=dash)(?P<d>\d\d)"
    r"|(?P<dd>\d\d?)-(?P<mon>[A-Za-z]{3})-(?P<yy>\d\d))"
)
_TIME = r"(?P<H>\d\d):?(?P<M>\d\d)(?::?(?P<S>\d\d))?(?: ?(?P<zone>Z|EST|EDT|[+-]\d\d:?\d\d))?"
_WHEN = re.compile(_DATE + r"(?:(?:; ?|, ?| |T|)" + _TIME + ")?", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
#: Two-digit years before this one are of this century.
_CENTURY_TURNS = 80
_FLAGS = {"Y": True, "YES": True, "N": False, "NO": False}
_RIGHTS = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_ZONES = {"Z": timedelta(0), "EST": timedelta(hours=-5), "EDT": timedelta(hours=-4)}
_SLASHES = (
    "a date without slashes (day and month cannot be told apart; set the date format of the query "
    "to yyyyMMdd)"
)
_DATE_WANTED = "a date such as 20261120 or 2026-11-20"
_TIME_WANTED = "a date and time such as 20261120;093000 or 2026-11-20;09:30:00"


def number(text: str, *, places: int) -> Decimal | None:
    """Return a number, exact; None where there is none.

    Thousands may be set apart by commas. Exponents, percent signs, NaN and infinity are no
    numbers here, and a number with more digits than the column holds is refused, never rounded.

    Raises:
        ValueError: It is none; the message says what was expected.
    """
    if text in NOTHING:
        return None
    before = DIGITS - places
    if not _NUMBER.fullmatch(text) or not any(character.isdigit() for character in text):
        raise ValueError("a plain number such as -1234.56")
    value = Decimal(text.replace(",", ""))
    fraction = text.partition(".")[2].rstrip("0")
    if len(fraction) > places or (value and value.adjusted() >= before):
        raise ValueError(
            f"a number with at most {before} digits before the point and {places} after it"
        )
    return value


def percentage(text: str, *, places: int) -> Decimal | None:
    """Return a number in percent, with or without its sign."""
    return number(text.removesuffix("%").rstrip(), places=places)


def integer(text: str) -> int | None:
    """Return a contract id; None where there is none, which the broker also writes as 0.

    Raises:
        ValueError: It is no integer.
    """
    if text in NOTHING:
        return None
    if not _INTEGER.fullmatch(text):
        raise ValueError("an integer")
    return int(text) or None


def day(text: str) -> date | None:
    """Return a date, also of a text that goes on with a time; None where there is none.

    `dd-MMM-yy` is read with years 80 to 99 as 1980 to 1999.

    Raises:
        ValueError: It is no date, or one with slashes.
    """
    if text in NO_TIME:
        return None
    return _day(_matched(text, _DATE_WANTED), _DATE_WANTED)


def instant(text: str) -> datetime | None:
    """Return a time as UTC; a date alone is its midnight in New York, None where there is none.

    Raises:
        ValueError: It is no time, or one whose date has slashes.
    """
    if text in NO_TIME:
        return None
    match = _matched(text, _TIME_WANTED)
    on = _day(match, _TIME_WANTED)
    try:
        at = time(int(match["H"] or 0), int(match["M"] or 0), int(match["S"] or 0))
        return datetime.combine(on, at, _zone(match["zone"])).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise ValueError(_TIME_WANTED) from e


def flag(text: str) -> bool | None:
    """Return whether it says yes; None where it says nothing.

    Raises:
        ValueError: It is neither yes nor no.
    """
    if text in NOTHING:
        return None
    if text.upper() not in _FLAGS:
        raise ValueError("Y, N, Yes or No")
    return _FLAGS[text.upper()]


def right(text: str) -> str | None:
    """Return C or P; None for anything else, which is no option."""
    return _RIGHTS.get(text.upper())


def _matched(text: str, wanted: str) -> re.Match[str]:
    match = _WHEN.fullmatch(text)
    if match is None:
        raise ValueError(_SLASHES if "/" in text else wanted)
    return match


def _day(match: re.Match[str], wanted: str) -> date:
    try:
        if match["y"]:
            return date(int(match["y"]), int(match["m"]), int(match["d"]))
        year = int(match["yy"])
        century = 2000 if year < _CENTURY_TURNS else 1900
        return date(century + year, _MONTHS[match["mon"].lower()], int(match["dd"]))
    except (ValueError, KeyError) as e:
        raise ValueError(wanted) from e


def _zone(text: str | None) -> timezone | ZoneInfo:
    if text is None:
        return _ZONE
    if text in _ZONES:
        return timezone(_ZONES[text])
    hours, minutes = int(text[1:3]), int(text[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(offset if text[0] == "+" else -offset)
