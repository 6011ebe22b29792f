"""Everything an exception can tell: its texts, its attributes, its causes, its frames."""

from __future__ import annotations

import traceback


def everything_told(error: BaseException) -> str:
    """Return all text of an exception and of what led to it, local variables included.

    Frames of test code are left out: the test knows what it hides.
    """
    told: list[str] = []
    link: BaseException | None = error
    while link is not None:
        told += [str(link), repr(link), repr(link.args), repr(vars(link))]
        summary = traceback.TracebackException.from_exception(link, capture_locals=True)
        told += [
            f"{frame.name} {frame.locals}"
            for frame in summary.stack
            if "ibkr_pipeline_tests" not in frame.filename and "_pytest" not in frame.filename
        ]
        link = link.__cause__ or link.__context__
    return "\n".join(told)
