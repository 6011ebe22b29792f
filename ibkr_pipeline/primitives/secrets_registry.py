"""Values that must never be printed: told once, replaced wherever text leaves the process.

What lives here: the register and the scrubbing. What must not: where secrets come from.
"""

from __future__ import annotations

from threading import Lock

REPLACEMENT = "<secret>"
#: Shorter values would tear holes into ordinary words.
_SHORTEST = 4

_lock = Lock()
_secrets: frozenset[str] = frozenset()


def register_secret(value: str) -> None:
    """Remember a value to be replaced by `scrub`; shorter than 4 characters is ignored."""
    global _secrets  # noqa: PLW0603 - one register per process is the point
    if len(value) >= _SHORTEST:
        with _lock:
            _secrets = _secrets | {value}


def scrub(text: str) -> str:
    """Return `text` with every registered secret replaced, longest first."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, REPLACEMENT)
    return text


def forget_secrets() -> None:
    """Empty the register. For tests only."""
    global _secrets  # noqa: PLW0603 - as above
    with _lock:
        _secrets = frozenset()
