"""One statement from where it is to the raw files: recorded, obtained, read, kept, judged.

What lives here: the order of those steps, and what is recorded when one of them fails. What must
not: rows entering core (`applying.py`).

A request is durable in control before anything is asked for. Killed before the document is
published, the request is abandoned and the next run asks anew; killed after it, the next run finds
the verdicts in the sidecar (`healing.py`).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ibkr_pipeline import __version__
from ibkr_pipeline.brokers.exceptions import StatementError
from ibkr_pipeline.brokers.statements import SectionResult, StatementDocument
from ibkr_pipeline.landing.documents import PackedDocument, pack
from ibkr_pipeline.landing.quarantine import quarantine
from ibkr_pipeline.models.requests import BrokerNotice, RawFile, RequestProof, SubjectOutcome
from ibkr_pipeline.pipelines.reading_broker import reason_of
from ibkr_pipeline.pipelines.statements.accounts import (
    account_filter,
    missing_accounts,
    require_mode,
)
from ibkr_pipeline.pipelines.statements.known import KNOWN_AS, PROGRAM, request_of_same_bytes
from ibkr_pipeline.pipelines.statements.obtaining import StatementFile, StatementRoute
from ibkr_pipeline.pipelines.statements.scratch import make_scratch
from ibkr_pipeline.pipelines.statements.staging import StagedStatement, StatementRequest
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import BrokerError, PipelineError, RawDataError, Retryable
from ibkr_pipeline.primitives.identifiers import new_request_id
from ibkr_pipeline.primitives.logs import log_event

_PACKED = "statement.xml.zst"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedStatement:
    """How a request for a statement ended.

    Attributes:
        outcomes: Verdict on each section of each wanted account.
        proof: Its proof; None where no statement came.
        raw: The raw file; None where nothing new was kept.
        known_as: Request that brought the same bytes before; then nothing had to be done.
        error: Why no statement came, or why it cannot be read.
        quarantined: Where its bytes are, if they cannot be read.
    """

    request_id: str
    outcomes: tuple[SubjectOutcome, ...] = ()
    proof: RequestProof | None = None
    raw: RawFile | None = None
    known_as: str | None = None
    error: BrokerError | None = None
    quarantined: Path | None = None


def receive_statement(
    workspace: Workspace,
    route: StatementRoute,
    *,
    accounts: Sequence[str] | None = None,
    run_id: str | None = None,
) -> ReceivedStatement:
    """Obtain one statement, read it, keep its bytes and record a verdict on every section.

    What the service or the file did wrong is in the result and in control, not raised. The rows
    wait in `workspace.staged` for `apply_pending`.

    Args:
        workspace: What to work with.
        route: How the statement is had.
        accounts: Accounts whose sections are wanted; None means every account that is allowed.
        run_id: The run on whose behalf it is read.

    Raises:
        PipelineError: If what came cannot be recorded (disk full, control busy).
        KeyboardInterrupt: If the run was interrupted; the request is `failed: interrupted`.
    """
    receiving = _Receiving(workspace, route.name, accounts, run_id)
    receiving.begin()
    folder = make_scratch(workspace.directory)
    try:
        received = receiving.take(route.obtain(folder), folder)
    except BrokerError as error:
        received = receiving.failed(error)
    except BaseException as error:
        receiving.record(error)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if received.request_id not in workspace.staged:
        shutil.rmtree(folder, ignore_errors=True)
    return received


class _Receiving:
    """The life of one request in control and among the raw files."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        named: Sequence[str] | None,
        run_id: str | None,
    ) -> None:
        self._workspace = workspace
        self._name = name
        self._named = named
        self._run_id = run_id
        self._started_at = workspace.clock.now()
        self._request_id = new_request_id(self._started_at, Dataset.FLEX.value)
        self._quarantined: Path | None = None

    def begin(self) -> None:
        self._workspace.control.begin_request(
            request_id=self._request_id,
            broker=self._workspace.broker,
            environment=self._workspace.environment,
            dataset=Dataset.FLEX,
            accounts=None,
            started_at=self._started_at,
            run_id=self._run_id,
        )

    def take(self, file: StatementFile, folder: Path) -> ReceivedStatement:
        """Read a statement that is in hand, unless the same bytes are in core already."""
        known_as = request_of_same_bytes(self._workspace, file.sha256, named=self._named)
        if known_as is not None:
            return self._known(file, known_as)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="packing") as beside:
            # Compressing leaves the interpreter to the reader, so both are done in the time of one.
            packing = beside.submit(pack, file.path, folder / _PACKED)
            staged = self._read(file, folder)
        document = staged.read_document
        require_mode(accounts_of(document), self._workspace.environment)
        outcomes = (*staged.outcomes(), *self._missing(document))
        proof = self._proof(file, document)
        raw = self._publish(proof, outcomes, file, packing.result())
        crashpoints.reach(crashpoints.AFTER_PUBLISH)
        self._workspace.control.finish_request(proof, outcomes, raw)
        self._workspace.staged[self._request_id] = staged
        if file.path.parent == folder:
            file.path.unlink()
        _log_received(self._request_id, outcomes, raw)
        return ReceivedStatement(
            request_id=self._request_id, outcomes=outcomes, proof=proof, raw=raw
        )

    def failed(self, error: BrokerError) -> ReceivedStatement:
        """Record that no statement came, or none that can be read."""
        self.record(error)
        return ReceivedStatement(
            request_id=self._request_id, error=error, quarantined=self._quarantined
        )

    def record(self, error: BaseException) -> None:
        """Write down why the request brought nothing."""
        reason = f"{self._name}: {reason_of(error)}"
        try:
            self._workspace.control.fail_request(
                self._request_id,
                reason=reason,
                retryable=isinstance(error, Retryable),
                at=self._workspace.clock.now(),
            )
        except PipelineError as second:
            error.add_note(f"Control could not record it either: {second}")
        log_event(
            _log,
            "request_failed",
            level=logging.WARNING,
            request_id=self._request_id,
            dataset=Dataset.FLEX,
            reason=reason,
        )

    def _known(self, file: StatementFile, known_as: str) -> ReceivedStatement:
        earlier = self._workspace.control.proof(known_as)
        proof = self._proof(file, None)
        proof = replace(
            proof,
            managed_accounts=() if earlier is None else earlier.managed_accounts,
            notices=() if earlier is None else earlier.notices,
            details={**proof.details, KNOWN_AS: known_as},
        )
        self._workspace.control.finish_request(proof, (), None)
        log_event(_log, "statement_known", request_id=self._request_id, known_as=known_as)
        return ReceivedStatement(request_id=self._request_id, proof=proof, known_as=known_as)

    def _read(self, file: StatementFile, folder: Path) -> StagedStatement:
        staged = StagedStatement(
            StatementRequest(
                request_id=self._request_id,
                broker=self._workspace.broker,
                environment=self._workspace.environment,
                started_at=self._started_at,
                received_at=file.received_at,
            ),
            folder,
            accounts=account_filter(self._named, self._workspace.settings.ibkr.accounts),
        )
        try:
            with file.path.open("rb") as source:
                staged.read(source)
        except StatementError as error:
            self._keep_aside(file, error)
            raise
        return staged

    def _keep_aside(self, file: StatementFile, error: StatementError) -> None:
        kept = quarantine(
            self._workspace.directory,
            file.path,
            request_id=self._request_id,
            reason=str(error),
            line=error.line,
            column=error.column,
            offset=error.offset,
            at=self._workspace.clock.now(),
        )
        self._quarantined = kept.path

    def _publish(
        self,
        proof: RequestProof,
        outcomes: tuple[SubjectOutcome, ...],
        file: StatementFile,
        packed: PackedDocument,
    ) -> RawFile:
        if packed.content_sha256 != file.sha256:
            raise RawDataError(
                f"{file.path} changed while it was read: it had sha256 {file.sha256} and has "
                f"{packed.content_sha256}. Leave it alone until the command has ended, then run "
                f"again."
            )
        return self._workspace.landing.publish_packed(proof, outcomes, packed)

    def _missing(self, document: StatementDocument) -> tuple[SubjectOutcome, ...]:
        return missing_accounts(
            accounts_of(document),
            named=self._named,
            allowed=self._workspace.settings.ibkr.accounts,
        )

    def _proof(self, file: StatementFile, document: StatementDocument | None) -> RequestProof:
        details = {**file.details, PROGRAM: __version__}
        if self._run_id is not None:
            details["run_id"] = self._run_id
        if document is not None:
            details |= {
                "query_name": document.query_name,
                "statement_kind": document.statement_kind,
            }
        return RequestProof(
            request_id=self._request_id,
            broker=self._workspace.broker,
            environment=self._workspace.environment,
            dataset=Dataset.FLEX,
            started_at=self._started_at,
            ended_at=file.received_at,
            end_marker_seen=True,
            managed_accounts=() if document is None else accounts_of(document),
            notices=() if document is None else notices_of(document, at=file.received_at),
            details=details,
        )


def accounts_of(document: StatementDocument) -> tuple[str, ...]:
    """Return the accounts a statement speaks of, in its order."""
    return tuple(dict.fromkeys(header.account_id for header in document.headers))


def notices_of(document: StatementDocument, *, at: datetime) -> tuple[BrokerNotice, ...]:
    """Return what nobody knew of a statement's sections, attributes and values, as warnings."""
    return tuple(
        BrokerNotice(at=at, code=0, message=message, severity="warning")
        for result in document.sections
        for message in _unknowns(result)
    )


def _unknowns(result: SectionResult) -> Iterator[str]:
    place = f"{result.section} of {result.account_id}"
    if result.table is None:
        yield f"{place}: {result.n_rows} rows of a section nobody knows are kept and not read"
    if result.unknown_attributes:
        names = ", ".join(f"{name} ({n} rows)" for name, n in result.unknown_attributes.items())
        yield f"{place}: attributes nobody knows: {names}"
    for attribute, values in result.unknown_values.items():
        told = ", ".join(f"{value!r} ({n} rows)" for value, n in values.items())
        yield f"{place}: {attribute} had values nobody knows: {told}"


def _log_received(request_id: str, outcomes: Sequence[SubjectOutcome], raw: RawFile) -> None:
    failed = [outcome for outcome in outcomes if outcome.status is not LoadStatus.COMPLETE]
    log_event(
        _log,
        "statement_received",
        request_id=request_id,
        sections=len(outcomes),
        not_complete=len(failed),
        rows=raw.n_rows,
        bytes=raw.content_bytes,
    )
    for outcome in failed:
        log_event(
            _log,
            "load_not_complete",
            level=logging.WARNING,
            request_id=request_id,
            account=outcome.account_id,
            section=outcome.section,
            reason=outcome.reason,
        )
