"""Runs whose process is gone: marked failed, so that they neither look alive nor block others.

What lives here: the tag that names a run's process, and the search for those that ended without a
verdict. What must not: what a killed run left half done in the data (`pipelines/healing.py`).

Dagster cannot know that a run of the command line was killed: no launcher watches it. It would
stay `STARTED` for good and count against the number of runs that may be in progress at once.
"""

from __future__ import annotations

import logging

import dagster as dg

from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.primitives.processes import is_alive, this_process

#: `pid@host/start mark` of the process that executes the run.
PROCESS_TAG = "ibkr_pipeline/process"
GONE = "The process of this run ended without a verdict: it was killed, or the machine went down."
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

_log = logging.getLogger(__name__)


def process_tags() -> dict[str, str]:
    """Return the tags that name this process on the runs it executes."""
    process = this_process()
    return {PROCESS_TAG: f"{process.pid}@{process.host}/{process.started}"}


def fail_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark unfinished runs of processes of this host that are gone as failed; return how many.

    Runs of other hosts, and those no process of ours executes, are left alone.
    """
    dead = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
        if _is_dead(run.tags.get(PROCESS_TAG, ""))
    ]
    for run in dead:
        instance.report_run_failed(run, GONE)
        log_event(_log, "dead_run", level=logging.WARNING, run_id=run.run_id, job=run.job_name)
    return len(dead)


def _is_dead(tag: str) -> bool:
    pid, _, rest = tag.partition("@")
    host, _, started = rest.partition("/")
    return host == this_process().host and pid.isdigit() and not is_alive(int(pid), started)
