"""What is counted while the rows of an account and a section are read, and the verdict on them.

What lives here: `Tally`, which becomes a `SectionResult`. What must not: the rows themselves.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from ibkr_pipeline.brokers.ibkr.flex_fields import Section
from ibkr_pipeline.brokers.statements import SectionResult
from ibkr_pipeline.primitives.enums import LoadStatus

#: Level of rows that tell none.
NO_LEVEL: Final = "none"
#: Distinct unknown names and values that are told apart; the rest is counted as `others`.
_MOST_NAMES: Final = 200
_MOST_VALUES: Final = 50
_OTHERS: Final = "others"
_LONGEST: Final = 60


class Tally:
    """Counts of one account and one section.

    Attributes:
        reason: Why the section failed for this account; None while all is well.
        n_kept: Rows handed over or about to be.
    """

    def __init__(self, account_id: str, name: str, section: Section | None) -> None:
        """Count for this account and section; `section` is None where nobody knows its name."""
        self.account_id = account_id
        self.name = name
        self.section = section
        self.reason: str | None = None
        self.n_kept = 0
        self._levels: Counter[str] = Counter()
        self._attributes: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = {}
        self._missing: dict[str, None] = {}

    def heard(self, level: str | None, rows: int) -> None:
        """Count rows of a level of detail."""
        _count(self._levels, level or NO_LEVEL, rows, _MOST_VALUES)

    def unknown_attribute(self, name: str, rows: int) -> None:
        """Count rows with an attribute nobody knows."""
        _count(self._attributes, name, rows, _MOST_NAMES)

    def unknown_value(self, attribute: str, value: str, rows: int) -> None:
        """Count rows with a value outside the known set."""
        _count(self._values.setdefault(attribute, Counter()), value, rows, _MOST_VALUES)

    def lacks(self, attributes: tuple[str, ...]) -> None:
        """Fail the section for attributes its rows need and the query did not select."""
        if self.section is None or not attributes:
            return
        self._missing.update(dict.fromkeys(attributes))
        missing = tuple(self._missing)
        self.reason = (
            f"{self.name} has no {', '.join(missing)}, without which its rows cannot be told apart "
            f"or understood. In the Flex query, section {self.section.box}, tick "
            f"{', '.join(self.section.boxes(missing))}."
        )

    def fail(self, reason: str) -> None:
        """Fail the section for the first reason found."""
        self.reason = self.reason or reason

    @property
    def levels(self) -> set[str]:
        """Levels of detail heard."""
        return set(self._levels)

    def result(self) -> SectionResult:
        """Return what was counted."""
        failed = self.reason is not None
        return SectionResult(
            account_id=self.account_id,
            section=self.name,
            table=self.section.table.name if self.section else None,
            status=LoadStatus.FAILED if failed else LoadStatus.COMPLETE,
            reason=self.reason,
            n_rows=self._levels.total(),
            n_kept=0 if failed else self.n_kept,
            rows_by_level=dict(self._levels),
            unknown_attributes=dict(self._attributes),
            unknown_values={name: dict(values) for name, values in self._values.items()},
            missing_columns=tuple(self._missing),
        )


def _count(counter: Counter[str], name: str, rows: int, most: int) -> None:
    short = name if len(name) <= _LONGEST else name[:_LONGEST] + "..."
    if short not in counter and len(counter) >= most:
        short = _OTHERS
    counter[short] += rows
