"""A flaw in a YAML text is told by place and meaning, and never by the text around it."""

from __future__ import annotations

import pytest

from ibkr_pipeline.primitives.yaml_text import YamlFlaw, parse_yaml

#: (text, line, column, words of the meaning); each holds the word CANARY where a secret could be.
FLAWS = {
    "bracket": ("mode: [paper\nibkr: {token: CANARY\n", 2, 5, "`[`"),
    "brace": ("ibkr: {token: CANARY\nport: 1\n", 2, 5, "`{`"),
    "indent": ("ibkr:\n  token: CANARY\n   port: 1\n", 3, 8, "indented"),
    "dedent": ("ibkr:\n    token: CANARY\n  port: 1\n", 3, 3, "indented"),
    "tab": ("ibkr:\n\ttoken: CANARY\n", 2, 1, "tab"),
    "at": ("token: @CANARY\n", 1, 8, "quotes"),
    "quote": ('token: "CANARY\nport: 1\n', 3, 1, "quote"),
    "escape": ('token: "\\CANARY"\n', 1, 10, "backslash"),
    "colon": ("token: CANARY\nport\nhost: x\n", 3, 1, "colon"),
    "alias": ("token: *CANARY\n", 1, 8, "`*`"),
    "tag": ("token: !CANARY x\n", 1, 8, "`!`"),
    "anchor": ("a: &CANARY 1\nb: &CANARY x: y\n", 2, None, ""),
    "key": ("? [CANARY]\n: 1\n", 1, 3, "key"),
    "control": ("host: x\ntoken: CANARY\x01\n", 2, 14, "control character"),
    "date": ("token: CANARY\nday: 2024-13-45\n", None, None, "date"),
    "document": ("token: CANARY\n---\na: 1\n", 2, 1, "---"),
    "nested": ("[" * 5000 + "CANARY", None, None, ""),
}


@pytest.mark.parametrize(("text", "line", "column", "words"), FLAWS.values(), ids=FLAWS)
def test_a_flaw_has_its_place_and_its_meaning_and_nothing_of_the_text(
    text: str, line: int | None, column: int | None, words: str
) -> None:
    """The lines around a flaw may hold a secret; the parser's own message prints them."""
    flaw = parse_yaml(text)

    assert isinstance(flaw, YamlFlaw)
    assert line == flaw.line
    assert column is None or column == flaw.column
    assert words in flaw.problem
    assert "CANARY" not in f"{flaw} {flaw!r}"


def test_a_text_without_a_flaw_is_its_value() -> None:
    """Nothing but plain values is made of it."""
    assert {"a": [1, "x", None]} == parse_yaml("a: [1, x, null]")
