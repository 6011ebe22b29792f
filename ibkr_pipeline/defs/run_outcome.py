"""How a run ended, from its events: failed steps and evaluated checks, in plain words.

What lives here: Dagster events -> records. What must not: starting runs (`launch.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from ibkr_pipeline.primitives.errors import PipelineError

_INTERRUPTS = frozenset({"KeyboardInterrupt", "Interrupted", "DagsterExecutionInterruptedError"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailure:
    """One step that failed.

    Attributes:
        step: Its key, such as `raw__positions`.
        error_class: Class name of the error that was the reason.
        message: The error's own words.
    """

    step: str
    error_class: str
    message: str

    def is_a(self, kind: type[PipelineError]) -> bool:
        """Return whether the reason was an error of this class or one derived from it."""
        return self.error_class in {cls.__name__ for cls in _with_subclasses(kind)}

    @property
    def is_interrupt(self) -> bool:
        """Whether somebody stopped the run."""
        return self.error_class in _INTERRUPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """One check that was evaluated.

    Attributes:
        asset: Asset it is a check of, such as `core/positions`.
        severity: `ERROR` or `WARN`; says how much a failed one matters.
    """

    asset: str
    name: str
    passed: bool
    severity: str
    blocking: bool
    description: str

    @property
    def is_break(self) -> bool:
        """Whether it failed and that matters."""
        return not self.passed and self.severity == dg.AssetCheckSeverity.ERROR.value


def checks_of(events: Sequence[dg.DagsterEvent]) -> tuple[CheckOutcome, ...]:
    """Return every check that was evaluated, in order."""
    return tuple(
        CheckOutcome(
            asset=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            passed=evaluation.passed,
            severity=evaluation.severity.value,
            blocking=bool(evaluation.blocking),
            description=evaluation.description or "",
        )
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        for evaluation in [event.asset_check_evaluation_data]
    )


def failures_of(events: Sequence[dg.DagsterEvent]) -> tuple[StepFailure, ...]:
    """Return every failure once, first one first; a failed blocking check tells its verdict.

    What keeps a run from starting at all (the workspace cannot be opened) counts as the failure
    of the run itself, with `run` for a step.
    """
    return tuple(dict.fromkeys(_failures(events)))


def own_reason(error: object) -> object:
    """Return what an asset itself raised; Dagster wraps it in errors of its own."""
    cause = getattr(error, "cause", None)
    is_wrapper = str(getattr(error, "cls_name", "")).startswith("Dagster")
    return own_reason(cause) if is_wrapper and cause is not None else error


def message_of(reason: object) -> str:
    """Return the words of a serialized error, without its class name and module."""
    name = str(getattr(reason, "cls_name", None) or type(reason).__name__)
    message = str(getattr(reason, "message", reason)).strip()
    return message.partition(f"{name}: ")[2] or message


def _failures(events: Sequence[dg.DagsterEvent]) -> Iterator[StepFailure]:
    blocked: dict[str, str] = {}
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.blocking:
                blocked[str(event.step_key)] = (
                    f"{evaluation.check_name} of {evaluation.asset_key.to_user_string()}: "
                    f"{evaluation.description or 'failed'}"
                )
        elif event.is_step_failure:
            step = str(event.step_key)
            yield _failure(step, event.step_failure_data.error, blocked.get(step))
        elif event.event_type in (
            dg.DagsterEventType.RUN_FAILURE,
            dg.DagsterEventType.RESOURCE_INIT_FAILURE,
        ):
            error = _run_error(event)
            if error is not None:
                yield _failure("run", error, None)


def _run_error(event: dg.DagsterEvent) -> object | None:
    data = event.event_specific_data
    if getattr(data, "first_step_failure_event", None) is not None:
        return None
    return getattr(data, "error", None) or getattr(data, "error_info", None)


def _failure(step: str, error: object, verdict: str | None) -> StepFailure:
    reason = own_reason(error)
    name = str(getattr(reason, "cls_name", None) or type(reason).__name__)
    return StepFailure(step=step, error_class=name, message=verdict or message_of(reason))


def _with_subclasses(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _with_subclasses(derived)
