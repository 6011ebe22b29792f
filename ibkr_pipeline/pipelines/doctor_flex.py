"""The doctor's look at statements: the web service, the query's columns, the quarantine.

What lives here: what each answer means and how to mend it. What must not: keeping anything. One
request is sent, which counts against the token's allowance; columns are judged by the newest
statement that was received.
"""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_pipeline.brokers.exceptions import StatementError
from ibkr_pipeline.brokers.registry import get_statement_source, query_gaps
from ibkr_pipeline.brokers.statement_source import QueryGap, ServiceFinding, ServiceState
from ibkr_pipeline.landing.quarantine import quarantined
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, fail, ok, warn
from ibkr_pipeline.pipelines.flex_sync import is_switched_on
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import ConfigError, RawDataError
from ibkr_pipeline.settings import Settings

_SERVICE, _QUERY, _QUARANTINE = "flex", "flex columns", "quarantine"
_FILE_MARK = f"-{Dataset.FLEX.value}-"


def examine_flex(settings: Settings, *, clock: Clock) -> tuple[DoctorFinding, ...]:
    """Look at the Flex web service, at what its query lacks, and at what could not be read."""
    return (*_service(settings, clock), *_query(settings), *_quarantine(settings))


def _service(settings: Settings, clock: Clock) -> Iterator[DoctorFinding]:
    if not is_switched_on(settings):
        given = settings.ibkr.flex_token is not None, settings.ibkr.flex_query_id is not None
        if any(given):
            missing = "IBKR_FLEX_QUERY_ID" if given[0] else "IBKR_FLEX_TOKEN"
            yield warn(
                _SERVICE,
                f"{missing} is not set, so no statements are fetched",
                expected="token and query id, or neither",
                mend=f"set {missing}, or load statements with --flex-file",
            )
        else:
            yield ok(_SERVICE, "not switched on; IBKR_FLEX_TOKEN and IBKR_FLEX_QUERY_ID do")
        return
    try:
        findings = get_statement_source(settings, clock=clock).check()
    except ConfigError as error:
        yield fail(
            _SERVICE,
            str(error),
            expected="a token and a query the web service can be asked with",
            mend="correct the setting the message names",
        )
        return
    yield from (_told(finding) for finding in findings)


def _told(finding: ServiceFinding) -> DoctorFinding:
    check = f"{_SERVICE} {finding.subject}"
    if finding.state is ServiceState.OK:
        return ok(check, finding.found)
    mend = finding.mend or "run doctor again later"
    level = fail if finding.state is ServiceState.FAILED else warn
    return level(check, finding.found, expected="an answer that accepts it", mend=mend)


def _query(settings: Settings) -> Iterator[DoctorFinding]:
    landing = Landing(settings.environment_dir)
    received = [item for item in landing.requests() if _FILE_MARK in item]
    if not received:
        return
    try:
        with landing.open_document(received[-1]) as document:
            gaps = query_gaps("ibkr", document)
    except (RawDataError, StatementError) as error:
        yield fail(
            _QUERY,
            f"the newest statement cannot be read: {error}",
            expected="a statement as it was received",
            mend="see the message; `ibkr-pipeline sync flex` fetches it anew",
        )
        return
    yield from _gaps(gaps)


def _gaps(gaps: tuple[QueryGap, ...]) -> Iterator[DoctorFinding]:
    for gap in gaps:
        boxes = ", ".join(gap.boxes)
        if gap.is_needed:
            yield fail(
                _QUERY,
                f"section {gap.section} lacks {boxes}; without it its rows are not read",
                expected="every column that identity or meaning needs",
                mend=f"in the Flex query, section {gap.section}, tick {boxes}",
            )
        elif gap.boxes:
            yield warn(
                _QUERY,
                f"section {gap.section} lacks {boxes}",
                expected="every column that is kept",
                mend=f"in the Flex query, section {gap.section}, tick {boxes}",
            )
    absent = [gap.section for gap in gaps if not gap.boxes]
    if absent:
        yield warn(
            _QUERY,
            f"the query lacks the sections {', '.join(absent)}",
            expected="every section that is read",
            mend="tick them in the Flex query; what they tell is unknown without",
        )
    if not gaps:
        yield ok(_QUERY, "the newest statement has every section and column that is read")


def _quarantine(settings: Settings) -> Iterator[DoctorFinding]:
    try:
        kept = quarantined(settings.environment_dir)
    except RawDataError as error:
        yield warn(_QUARANTINE, str(error), expected="notes that can be read", mend="see there")
        return
    if kept:
        newest = kept[0]
        yield warn(
            _QUARANTINE,
            f"{len(kept)} files could not be read, the newest {newest.path.name}: {newest.reason}",
            expected="statements as the broker makes them",
            mend="get the statement again; remove the file from the quarantine folder once it is "
            "of no use",
        )
