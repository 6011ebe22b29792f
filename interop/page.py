"""The page that says which clients talk to the simulated broker and how well.

What lives here: verdicts as a page. What must not: times, paths and anything else that another run
on another machine would write differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from interop.clients import CLIENTS, SERVER_VERSIONS, Client
from interop.limitations import WHOLE, Limitation
from interop.operations import OPERATIONS, Operation
from interop.verdicts import Verdict, by_client

_HEAD = "\n".join(
    (
        "<!-- Written by `make interop` from what clients answered; run it to write it anew. -->",
        "",
        "# Other clients against the simulated broker",
        "",
        "The simulated broker has to be understood by clients it was not written for.",
        "`make interop` installs each of them from its public registry into a throw-away folder "
        "and gives all of them the same script, at every server version at which a message changes "
        f"its layout ({', '.join(map(str, SERVER_VERSIONS))}).",
        "What they report is compared with the broker's book, and with what most of the other "
        "clients report.",
        "None of them is part of this project except the first, and the others are gone after the "
        "run.",
        "`ibapi` and `nautilus_ibapi` are under Interactive Brokers' own API licence, which "
        "whoever runs `make interop` accepts by installing them.",
        "",
    )
)

_LEGEND = """\
`ok`: every value equals the book's and the other clients'.
`but [n]`: all but what the known limit `n` of that client names.
`not [n]`: the client cannot do it, for the reason named under `n`.
`differs`: neither, and `make interop` fails.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All that a page says.

    Attributes:
        verdicts: Of every client that ran.
        missing: Why each of the others could not be installed, by name of its package.
    """

    verdicts: Sequence[Verdict]
    missing: Mapping[str, str]


def interop_page(results: Results, clients: Sequence[Client] = CLIENTS) -> str:
    """Return the page for the results of a run."""
    limits = _seen(results.verdicts)
    parts = [
        _HEAD,
        "## Clients\n",
        _table(
            ("client", "version", "from", "server versions", "what it is"),
            (_client_row(client, results) for client in clients),
        ),
        "A server version is what both sides agreed on in the handshake; "
        "a gateway that offers more is answered with the client's own highest.\n",
        "## Results\n",
        _table(
            ("operation", *(f"`{client.name}`" for client in clients)),
            (_operation_row(operation, clients, results, limits) for operation in OPERATIONS),
        ),
        _LEGEND,
        *_alone(results),
        *_limits_section(limits),
    ]
    return "\n".join(parts)


def _alone(results: Results) -> list[str]:
    """Return what a reader has to know when there was nobody to compare with."""
    if len({verdict.run.client for verdict in results.verdicts}) > 1:
        return []
    text = "Only one client ran, so what the book does not tell was compared with nothing.\n"
    return [text]


def _seen(verdicts: Iterable[Verdict]) -> list[Limitation]:
    """Return the limitations that were met, in order of client and operation."""
    found: list[Limitation] = []
    for verdict in verdicts:
        found += [limit for limit in verdict.excused if limit not in found]
    return found


def _client_row(client: Client, results: Results) -> tuple[str, ...]:
    if client.name in results.missing:
        versions = f"not installed: {results.missing[client.name]}"
    else:
        told = {v.run.server_version for v in results.verdicts if v.run.client == client}
        versions = ", ".join(map(str, sorted(told)))
    origin = {"here": "this project", "pypi": "PyPI", "npm": "npm"}[client.origin]
    return (f"`{client.name}`", client.version, origin, versions, client.about)


def _operation_row(
    operation: Operation,
    clients: Sequence[Client],
    results: Results,
    limits: Sequence[Limitation],
) -> tuple[str, ...]:
    grouped = by_client(results.verdicts)
    cells = [
        "not installed"
        if client.name in results.missing
        else _cell(grouped.get((client.name, operation.name), []), limits)
        for client in clients
    ]
    return (operation.title, *cells)


def _cell(verdicts: Sequence[Verdict], limits: Sequence[Limitation]) -> str:
    """Return one word when all server versions agree, else one with versions for each."""
    versions: dict[str, set[int]] = {}
    for verdict in verdicts:
        versions.setdefault(_word(verdict, limits), set()).add(verdict.run.server_version)
    if len(versions) == 1:
        return next(iter(versions))
    return "; ".join(
        f"{word} at {', '.join(map(str, sorted(told)))}" for word, told in sorted(versions.items())
    )


def _word(verdict: Verdict, limits: Sequence[Limitation]) -> str:
    if verdict.differences:
        return "differs"
    if not verdict.excused:
        return "ok"
    whole = any(WHOLE in limit.columns for limit in verdict.excused)
    numbers = ", ".join(str(limits.index(limit) + 1) for limit in verdict.excused)
    return f"{'not' if whole else 'but'} [{numbers}](#known-limits)"


def _limits_section(limits: Sequence[Limitation]) -> list[str]:
    if not limits:
        return []
    titles = {operation.name: operation.title for operation in OPERATIONS}
    lines = [
        f"{number}. `{limit.client}`, {titles[limit.operation]}"
        f"{_columns(limit)}{_below(limit)}: {limit.reason}"
        for number, limit in enumerate(limits, start=1)
    ]
    return ["## Known limits\n", "\n".join(lines) + "\n"]


def _columns(limit: Limitation) -> str:
    if WHOLE in limit.columns:
        return ""
    return f" ({', '.join(f'`{column}`' for column in limit.columns)})"


def _below(limit: Limitation) -> str:
    return f", below server version {limit.below}" if limit.below else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
