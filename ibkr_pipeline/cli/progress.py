"""Progress on long work: a spinner where somebody watches stderr, plain lines where not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def progress(first: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that is told what is being done.

    Args:
        first: What is done first.
    """
    if not sys.stderr.isatty():
        typer.echo(first, err=True)
        yield lambda message: typer.echo(message, err=True)
        return
    console = Console(stderr=True)
    with console.status(first) as status:
        yield status.update
