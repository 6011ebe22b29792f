"""Runs started from the command line: the same jobs, on the same instance, in this process.

What lives here: starting a run and telling how it ended. What must not: printing. Nothing here
writes to stdout, which may have to be one JSON document.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef  # has no public name; see _quiet_instance

from ibkr_pipeline.defs.build import build_defs
from ibkr_pipeline.defs.catalog import keys_for, raw_key
from ibkr_pipeline.defs.dead_runs import fail_dead_runs, process_tags
from ibkr_pipeline.defs.home import ensure_dagster_home
from ibkr_pipeline.defs.jobs import NIGHTLY, job_name_of
from ibkr_pipeline.defs.library_warnings import chosen_features
from ibkr_pipeline.defs.resources import REAL, WORKSPACE, Outside, workspace_for
from ibkr_pipeline.defs.run_outcome import CheckOutcome, StepFailure, checks_of, failures_of
from ibkr_pipeline.pipelines.interruption import interruptible
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.primitives.errors import BusyError, ConfigError
from ibkr_pipeline.settings import Settings

MODULE = "ibkr_pipeline.definitions"
#: Tag by which the UI counts a run among those of a code location's job. Runs started here carry
#: it, so that they are listed under their job like any other.
_REPOSITORY_TAG = ".dagster/repository"
_REPOSITORY = f"__repository__@{MODULE}"
_LOGGER = "program"
_NOT_EXECUTED = "Dependencies for step"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's id of the run; control keeps it with every request.
        success: Whether every step and every blocking check passed.
        failures: Steps that failed, first one first, with the reason in plain words.
        checks: Every check that was evaluated.
    """

    run_id: str
    success: bool
    failures: tuple[StepFailure, ...]
    checks: tuple[CheckOutcome, ...]

    @property
    def is_busy(self) -> bool:
        """Whether it failed because somebody else held a lock for the whole wait."""
        return any(failure.is_a(BusyError) for failure in self.failures)

    @property
    def is_interrupted(self) -> bool:
        """Whether somebody stopped it."""
        return any(failure.is_interrupt for failure in self.failures)

    @property
    def exit_code(self) -> int:
        """What a command ends with: 0 all well, 1 something failed, 2 a wrong setting, 75 busy."""
        if self.success:
            return 0
        if self.is_busy:
            return BusyError.exit_code
        is_misconfigured = bool(self.failures) and self.failures[0].is_a(ConfigError)
        return ConfigError.exit_code if is_misconfigured else 1


def run_sync(
    settings: Settings,
    datasets: Sequence[Dataset],
    accounts: Sequence[str] = (),
    *,
    files: Sequence[Path] = (),
    on_progress: Callable[[str], None] | None = None,
    outside: Outside = REAL,
) -> LaunchResult:
    """Run the job that reads these datasets, in this process, and wait for its end.

    Args:
        settings: What the run works with; it reads no others.
        datasets: What to read; all of the gateway are the nightly job.
        accounts: Account codes; empty means every account that is allowed.
        files: Statements downloaded by hand, where statements are among the datasets.
        on_progress: Told in plain words what long work is doing.
        outside: Clock, broker and statement service; the real ones by default.

    Raises:
        ConfigError: If the run history directory cannot be made.
    """
    resource = workspace_for(settings, outside=outside, on_progress=on_progress)
    definitions = build_defs(
        settings=settings,
        clock=outside.clock,
        resource_overrides={WORKSPACE: resource},
        loggers={_LOGGER: dg.LoggerDefinition(_program_log)},
    )
    wanted = tuple(dict.fromkeys(datasets))
    job, selection = _job_for(definitions, wanted)
    home = ensure_dagster_home(settings)
    with chosen_features(), interruptible(), _quiet_instance(home) as instance:
        fail_dead_runs(instance)
        result = job.execute_in_process(
            instance=instance,
            run_config=_run_config(_raw_keys(job, wanted), accounts, files),
            asset_selection=selection,
            raise_on_error=False,
            tags={_REPOSITORY_TAG: _REPOSITORY, **process_tags()},
        )
    return LaunchResult(
        run_id=result.run_id,
        success=result.success,
        failures=failures_of(result.all_events),
        checks=checks_of(result.all_events),
    )


def heal_run_history(settings: Settings) -> int:
    """Mark runs whose process is gone as failed, before anything new is started; return how many.

    Raises:
        ConfigError: If the run history directory cannot be made.
    """
    with _quiet_instance(ensure_dagster_home(settings)) as instance:
        return fail_dead_runs(instance)


def _job_for(
    definitions: dg.Definitions, datasets: tuple[Dataset, ...]
) -> tuple[dg.JobDefinition, list[dg.AssetKey] | None]:
    """Return the job that reads exactly these datasets, or the nightly one with a selection."""
    try:
        return definitions.resolve_job_def(job_name_of(datasets)), None
    except KeyError:
        return definitions.resolve_job_def(NIGHTLY), list(keys_for(*datasets))


def _raw_keys(job: dg.JobDefinition, datasets: Sequence[Dataset]) -> tuple[dg.AssetKey, ...]:
    """Return the raw assets a run configures; `nightly` brings in statements unasked."""
    is_nightly = job.name == NIGHTLY and set(datasets) >= set(WIRE_DATASETS)
    wanted = dict.fromkeys((*datasets, *((Dataset.FLEX,) if is_nightly else ())))
    return tuple(raw_key(dataset) for dataset in wanted)


def _run_config(
    raw: Sequence[dg.AssetKey], accounts: Sequence[str], files: Sequence[Path]
) -> dict[str, Any]:
    """Return the configuration of a run: our logger in place of Dagster's, accounts and files."""
    ops: dict[str, dict[str, Any]] = {}
    if accounts:
        ops = {key.to_python_identifier(): {"accounts": list(accounts)} for key in raw}
    if files:
        of_files = ops.setdefault(raw_key(Dataset.FLEX).to_python_identifier(), {})
        of_files["files"] = [str(file.absolute()) for file in files]
    return {
        "loggers": {_LOGGER: {}},
        **({"ops": {name: {"config": config} for name, config in ops.items()}} if ops else {}),
    }


@contextmanager
def _quiet_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a home without capturing this process's stdout and stderr.

    Capturing redirects the file descriptors of the whole process and starts four helper
    processes: progress would come late, and stdout would no longer be ours. Only that one part
    of dagster.yaml is replaced, which no public function of Dagster offers.
    """
    nothing = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    reference = InstanceRef.from_dir(str(home), overrides={"compute_logs": nothing})
    with dg.DagsterInstance.from_ref(reference) as instance:
        yield instance


def _program_log(_context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that sends what assets log to the program's own log."""
    logger = logging.getLogger("ibkr_pipeline.runs")
    if not any(isinstance(known, _AssetsOnly) for known in logger.filters):
        logger.addFilter(_AssetsOnly())
    return logger


class _AssetsOnly(logging.Filter):
    """Drops what Dagster says of itself; it is in the run history, with whole stack traces."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what an asset logged, and drop events and the steps that did not run."""
        is_event = getattr(record, "dagster_event", None) is not None
        return not is_event and _NOT_EXECUTED not in record.getMessage()
