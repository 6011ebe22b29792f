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
    "value as key": ("token: CANARY\nCANARY 1: x\nCANARY 1: y\n", 3, 1, "on line 2 already"),
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


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (
            "ibkr:\n  port: 7497\n  host: x\n  port: 4002\n",
            "line 4, column 3: the key `port` stands on line 2 already; keep one of the two",
        ),
        (
            "mode: paper\nlog: {}\nmode: live\n",
            "line 3, column 1: the key `mode` stands on line 1 already; keep one of the two",
        ),
        (
            "a: [{b: 1, b: 1}]\n",
            "line 1, column 12: the key `b` stands on line 1 already; keep one of the two",
        ),
    ],
    ids=["section", "top", "list"],
)
def test_a_key_that_stands_twice_is_told_with_both_lines(text: str, flaw: str) -> None:
    """The parser would take the last one: a file read from the top says something else."""
    assert flaw == str(parse_yaml(text))


def test_the_same_key_may_stand_under_two_headings() -> None:
    """It is another key there, also where an alias repeats a whole mapping."""
    text = "a: &x {name: 1}\nb: *x\nc: {name: 2}\n"

    assert {"a": {"name": 1}, "b": {"name": 1}, "c": {"name": 2}} == parse_yaml(text)
