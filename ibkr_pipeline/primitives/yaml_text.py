"""YAML in, plain values out; a flaw is told by its place and in our own words.

What lives here: safe loading and the wording of its errors. What must not: the text itself in any
message. The parser's own messages quote the lines around a flaw, and those may hold a secret. A
key that stands twice is a flaw too: the parser would take the last one without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ibkr_pipeline.primitives.errors import ConfigError

#: Beginning of the parser's message -> what it means to whoever wrote the text.
_MEANINGS = (
    (
        "mapping values are not allowed",
        "a `key: value` where none can stand; is a line indented differently from its neighbours, "
        "or a value with a colon in it not quoted?",
    ),
    ("expected ',' or '}'", "a `{` that is not closed, or a comma missing after it"),
    ("expected ',' or ']'", "a `[` that is not closed, or a comma missing after it"),
    ("found character '\\t'", "a tab where YAML takes only spaces"),
    ("found character", "a character no value can begin with; put the value in quotes"),
    ("found unknown escape", "a backslash inside double quotes; use single quotes"),
    ("found unexpected end of stream", "a quote that is not closed"),
    ("found unexpected document", "a quote that is not closed"),
    ("could not find expected ':'", "a key without its colon, or a quote that is not closed"),
    ("did not find expected key", "a line indented differently from its neighbours"),
    ("expected <block end>", "a line indented differently from its neighbours"),
    ("found undefined alias", "a value that begins with `*`; put it in quotes"),
    ("could not determine a constructor", "a value that begins with `!`; put it in quotes"),
    ("found unhashable key", "a key that is a list or has keys of its own"),
    ("but found another document", "a second document after `---`; expected one"),
)
_UNKNOWN = "something that is no YAML"
#: A key that is told by its name; anything else may be a value in the wrong place.
_NAME = re.compile(r"[A-Za-z_][\w-]{0,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlFlaw:
    """Why a text is no YAML, without a word of it.

    Attributes:
        line: Where it was noticed, from 1; None where the parser does not say. The cause may
            stand above.
        column: Likewise, from 1.
        problem: What is wrong, in plain words.
    """

    line: int | None
    column: int | None
    problem: str

    def __str__(self) -> str:
        """Return place and problem."""
        if self.line is None:
            return self.problem
        return f"line {self.line}, column {self.column}: {self.problem}"


def read_mapping(path: Path, *, origin: str = "") -> dict[str, Any]:
    """Return the keys and values of a configuration file; an empty one has none.

    Args:
        path: The file.
        origin: Who named it, for messages.

    Raises:
        ConfigError: If it is missing, cannot be read, or is no mapping.
    """
    named = f"Configuration file {path}{origin}"
    try:
        loaded = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{named} does not exist; create it or unset it.") from None
    except OSError as error:
        raise ConfigError(f"{named} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{named} is no UTF-8 text (byte {error.start + 1}); save it as UTF-8."
        ) from None
    if isinstance(loaded, YamlFlaw):
        raise ConfigError(f"{named} cannot be read as YAML: {loaded}.")
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        kind = "list" if isinstance(loaded, list) else "single value"
        raise ConfigError(
            f"{named} held a {kind}; expected lines of `key: value`, with a space after the colon."
        )
    return loaded


def parse_yaml(text: str) -> Any | YamlFlaw:  # noqa: ANN401  # a document may be any value
    """Return the value of a YAML document, or what keeps it from being one."""
    try:
        return _value_of(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return YamlFlaw(
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
            problem=_meaning(error.problem or error.context or ""),
        )
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        return YamlFlaw(
            line=before.count("\n") + 1,
            column=error.position - (before.rfind("\n") + 1) + 1,
            problem="a control character; expected readable text",
        )
    except (yaml.YAMLError, ValueError):
        return YamlFlaw(line=None, column=None, problem=f"{_UNKNOWN}; is a date impossible?")
    except RecursionError:
        return YamlFlaw(line=None, column=None, problem="brackets nested without end")


def _value_of(text: str) -> Any | YamlFlaw:  # noqa: ANN401  # a document may be any value
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        twice = _key_that_stands_twice(node)
        return loader.construct_document(node) if twice is None else twice
    finally:
        loader.dispose()


def _key_that_stands_twice(root: yaml.Node) -> YamlFlaw | None:
    """Return the first key, from top to bottom, that stands above already in its mapping."""
    flaws: list[YamlFlaw] = []
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias leads to a node that was looked at
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            flaws += _repeated_keys(node)
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return min(flaws, key=lambda flaw: (flaw.line or 0, flaw.column or 0), default=None)


def _repeated_keys(mapping: yaml.MappingNode) -> list[YamlFlaw]:
    firsts: dict[tuple[str, str], yaml.ScalarNode] = {}
    flaws: list[YamlFlaw] = []
    for key, _ in mapping.value:
        if isinstance(key, yaml.ScalarNode):
            first = firsts.setdefault((key.tag, key.value), key)
            if first is not key:
                flaws.append(_repeated(key, first))
    return flaws


def _repeated(key: yaml.ScalarNode, first: yaml.ScalarNode) -> YamlFlaw:
    name = f"the key `{key.value}`" if _NAME.fullmatch(key.value) else "a key"
    return YamlFlaw(
        line=key.start_mark.line + 1,
        column=key.start_mark.column + 1,
        problem=f"{name} stands on line {first.start_mark.line + 1} already; keep one of the two",
    )


def _meaning(problem: str) -> str:
    return next((words for begin, words in _MEANINGS if problem.startswith(begin)), _UNKNOWN)
