"""Measure every claim and print the table; exit 1 when one of them does not hold."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks import (
    again,
    executions,
    flex_reader,
    flex_statement,
    positions,
    small_into_large,
)
from benchmarks.harness import Ceiling, Claim


def main() -> int:
    """Run the benchmarks one after the other."""
    holds = True
    for module in (executions, positions, again, small_into_large, flex_reader, flex_statement):
        claims: Sequence[Claim | Ceiling] = module.claims()
        for claim in claims:
            print(claim, flush=True)
            holds = holds and claim.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
