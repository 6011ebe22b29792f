"""How numbers and instants are written on the wire.

What lives here: the sentinels, decimals and the time formats gateways are known to send. What must
not: message layouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"
UNSET_LONG = "9223372036854775807"

TIME_FORMATS = ("zoned", "utc_dash", "naive_double_space")


def number(value: Decimal | int) -> str:
    """Write a number plainly, without exponent or needless zeros: 100, 0.5."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def double(value: Decimal | int) -> str:
    """Write a number as Java writes a double: at least one decimal, 100.0."""
    text = number(value)
    return text if "." in text else f"{text}.0"


def money(value: Decimal) -> str:
    """Write an amount with two decimals."""
    return f"{value:.2f}"


def optional_double(value: Decimal | None) -> str:
    """Write a double, or the unset sentinel."""
    return UNSET_DOUBLE if value is None else double(value)


def flag(value: bool) -> str:  # noqa: FBT001 - a wire flag is nothing but its value
    """Write a boolean as 1 or 0."""
    return "1" if value else "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeText:
    """Writes instants the way one gateway is configured to.

    Attributes:
        style: `zoned` (20261118 15:27:04 US/Eastern), `utc_dash` (20261118-20:27:04, UTC without
            saying so) or `naive_double_space` (20261118  15:27:04, local time of the gateway).
        zone: The gateway's time zone.
        label: Name of the zone as the gateway spells it.
    """

    style: str
    zone: ZoneInfo
    label: str

    def instant(self, at: datetime) -> str:
        """Write an execution time."""
        if self.style == "utc_dash":
            return at.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S")
        local = at.astimezone(self.zone)
        if self.style == "naive_double_space":
            return local.strftime("%Y%m%d  %H:%M:%S")
        return f"{local:%Y%m%d %H:%M:%S} {self.label}"

    def zoned(self, at: datetime) -> str:
        """Write an instant with the zone, whatever the style of executions."""
        return f"{at.astimezone(self.zone):%Y%m%d %H:%M:%S} {self.label}"
