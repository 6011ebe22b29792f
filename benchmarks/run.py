"""Measure every claim and print the table; exit 1 when one of them does not hold."""

from __future__ import annotations

import sys

from benchmarks import again, executions, positions, small_into_large


def main() -> int:
    """Run the benchmarks one after the other."""
    holds = True
    for module in (executions, positions, again, small_into_large):
        for claim in module.claims():
            print(claim, flush=True)
            holds = holds and claim.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
