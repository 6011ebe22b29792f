"""Times as TWS writes them, as UTC instants.

What lives here: the three spellings, the zone labels, and what becomes of an hour that exists
twice. What must not: sessions and calendars.
Spellings: `20260413 15:27:04 US/Eastern` (zone named), `20260413-15:27:04` (UTC) and
`20230224  12:04:56` (in the zone the gateway is configured for). Source: frames recorded from
live gateways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from polars.exceptions import ComputeError

from ibkr_pipeline.brokers.ibkr.mappers.values import Texts
from ibkr_pipeline.brokers.ibkr.mappers.zone_labels import ZONE_LABELS
from ibkr_pipeline.models.requests import RequestProof

_SHAPE = r"^(?<day>\d{8})(?<mark>-|\s+)(?<time>\d{2}:\d{2}:\d{2})(?:\s+(?<zone>\S.*))?$"
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2})(?::?00)?")
_INSTANT = pl.Datetime("us", "UTC")
_ALIAS = "timezone_alias:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """How to read zone labels.

    Attributes:
        default: IANA zone of times without a label.
        aliases: Label -> IANA zone, before the built-in ones.
    """

    default: str = "America/New_York"
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, proof: RequestProof) -> Zones:
        """Return the zones that were configured when the read was made."""
        aliases = {
            name.removeprefix(_ALIAS): zone
            for name, zone in proof.details.items()
            if name.startswith(_ALIAS)
        }
        return cls(default=proof.details.get("timezone", cls().default), aliases=aliases)

    def resolve(self, label: str) -> str | None:
        """Return the IANA zone of a label, or None if it is unknown."""
        alias = self.aliases.get(label) or ZONE_LABELS.get(label.lower())
        if alias is not None:
            return alias
        offset = _OFFSET.fullmatch(label)
        if offset:
            # POSIX counts west of Greenwich as positive, labels east.
            return f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
        try:
            return ZoneInfo(label).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None


def instants(texts: Texts, name: str, zones: Zones, *, required: bool = False) -> pl.Series:
    """Return a time field as UTC instants; empty is null.

    In the hour that the end of summer time repeats, the first pass is meant; the text beside the
    column keeps what was written.

    Raises:
        TradeDataError: If a value is no time, its zone label is unknown, or it names an hour
            that the beginning of summer time leaves out.
    """
    cleaned = texts.cleaned(name)
    parts = (
        pl.DataFrame({"text": cleaned})
        .select(pl.col("text").str.extract_groups(_SHAPE).alias("parts"))
        .unnest("parts")
    )
    local = (parts["day"] + parts["time"]).str.to_datetime(
        "%Y%m%d%H:%M:%S", time_unit="us", strict=False
    )
    texts.require(
        name, cleaned.is_null() | local.is_not_null(), "expected a time like 20260413 15:27:04"
    )
    if required:
        texts.require(name, local.is_not_null(), "it is required")
    labels = parts.select(
        pl.when(pl.col("zone").is_not_null())
        .then(pl.col("zone"))
        .when(pl.col("mark") == "-")
        .then(pl.lit("UTC"))
        .otherwise(pl.lit(""))
        .alias("label")
    )["label"]
    found = _in_zones(texts, name, local, labels, zones)
    texts.require(
        name, local.is_null() | found.is_not_null(), "that hour was left out by summer time"
    )
    return found


def _in_zones(
    texts: Texts, name: str, local: pl.Series, labels: pl.Series, zones: Zones
) -> pl.Series:
    frame = pl.DataFrame({"local": local, "label": labels})
    instant = pl.lit(None, _INSTANT)
    for label in labels.filter(local.is_not_null()).unique(maintain_order=True):
        zone = zones.resolve(label) if label else zones.default
        here = labels == label
        if zone is None:
            texts.require(
                name,
                ~here,
                f"its zone label {label!r} is unknown. Name the zone it stands for under "
                f"ibkr.timezone_aliases, such as `{label}: Europe/Berlin`, or set the time zone of "
                f"TWS or Gateway to UTC",
            )
            continue
        placed = (
            pl.col("local")
            .dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
            .dt.convert_time_zone("UTC")
        )
        instant = pl.when(pl.col("label") == label).then(placed).otherwise(instant)
    try:
        return frame.with_columns(instant.alias("instant"))["instant"]
    except ComputeError as error:
        raise texts.error(
            f"{texts.record}.{name} named a zone that cannot be used: {error}"
        ) from error
