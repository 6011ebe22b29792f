"""The doctor's look at the control store: can it be reached, whose is it, is its warehouse there?

What lives here: what each answer means. What must not: making or migrating a store. The address
of a Postgres store is a secret and is not told.
"""

from __future__ import annotations

from pathlib import Path

from ibkr_pipeline.control.errors import ControlStoreError, ControlUnavailableError
from ibkr_pipeline.control.inspection import StoreLook, look_at_store
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, fail, ok
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import POSTGRES_FORM, Settings

CHECK = "control store"
_VARIABLE = "IBKR_PIPELINE_POSTGRES_URL"


def examine_control(settings: Settings) -> tuple[DoctorFinding, ...]:
    """Look at the control store of the mode, and where the warehouse is absent, whether it may."""
    look, finding = _looked(settings)
    if settings.warehouse_path.exists():
        return (finding,)
    return (finding, _absent_warehouse(settings, look))


def _looked(settings: Settings) -> tuple[StoreLook | None, DoctorFinding]:
    where = settings.control_url
    name = str(where) if isinstance(where, Path) else f"the Postgres database of {_VARIABLE}"
    try:
        look = look_at_store(where)
    except ConfigError:
        return None, _unusable_address()
    except ControlUnavailableError as error:
        return None, fail(
            CHECK,
            f"{name} does not answer: {_first_line(error)}",
            expected="a Postgres that answers and lets the user in",
            mend=f"start it, correct {_VARIABLE}, or unset it to keep the store in a file",
        )
    except ControlStoreError as error:
        return None, fail(
            CHECK,
            f"{name} cannot be read: {_first_line(error)}",
            expected="the store a run of this program made",
            mend="move it and its -wal and -shm files aside, and run `ibkr-pipeline rebuild`, "
            "which makes it again from the raw files",
        )
    return look, _examined(name, look, settings)


def _absent_warehouse(settings: Settings, look: StoreLook | None) -> DoctorFinding:
    if look is None or not look.n_applied:
        return ok("warehouse", f"{settings.warehouse_path} (made by the first run)")
    return fail(
        "warehouse",
        f"{settings.warehouse_path} is gone, and control knows of {look.n_applied} loads in it",
        expected="the warehouse those loads were brought into",
        mend="run `ibkr-pipeline rebuild --replace`, which makes it again from the raw files, or "
        "restore it from a backup",
    )


def _examined(name: str, look: StoreLook | None, settings: Settings) -> DoctorFinding:
    if look is None or look.version is None:
        return ok(CHECK, f"{name} (made by the first run)")
    if look.version > look.known_version:
        return fail(
            CHECK,
            f"{name} has version {look.version}",
            expected=f"a version up to {look.known_version}, the newest this program knows",
            mend="upgrade ibkr-pipeline, or use another data directory (IBKR_PIPELINE_DATA)",
        )
    if look.environment is not None and look.environment != settings.mode.value:
        return fail(
            CHECK,
            f"{name} belongs to the {look.environment} environment",
            expected=f"one of {settings.mode.value}, the mode",
            mend=f"set IBKR_PIPELINE_MODE={look.environment}, or use another store",
        )
    return ok(
        CHECK,
        f"{name}, version {look.version}, {look.n_loads} loads, {look.n_failed} of them failed",
    )


def _unusable_address() -> DoctorFinding:
    return fail(
        CHECK,
        f"the address in {_VARIABLE} cannot be used (it is a secret and is not shown)",
        expected=f"{POSTGRES_FORM}, with a driver that is installed",
        mend=f"correct {_VARIABLE}, or install the driver it names",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
