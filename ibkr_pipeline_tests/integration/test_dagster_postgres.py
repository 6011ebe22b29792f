"""One documented switch puts Dagster's run history into Postgres, tried on a real server."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline_tests.dagster_runs import make_broker, make_settings, materialized, run
from ibkr_pipeline_tests.postgres import running_postgres
from ibkr_pipeline_tests.repository import ROOT


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    # The server runs as a user of its own, who must be able to reach its folder.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with running_postgres(Path(folder) / "pg") as server:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
            yield url.render_as_string(hide_password=False)


def test_runs_are_kept_in_postgres(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAGSTER_HOME and one URL are the whole switch; the control store moves with them."""
    home = tmp_path / "postgres"
    shutil.copytree(ROOT / "deploy" / "postgres", home)
    monkeypatch.setenv("IBKR_PIPELINE_POSTGRES_URL", url)
    settings = make_settings(tmp_path / "data", dagster_home=home, postgres_url=url)

    result = run(settings, make_broker(), [Dataset.ACCOUNTS])

    assert result.success
    assert "core/accounts" in materialized(settings, result.run_id)
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT run_id, status FROM runs")).all()
            requests = connection.execute(text("SELECT run_id FROM control_requests")).all()
    finally:
        engine.dispose()
    assert [(result.run_id, dg.DagsterRunStatus.SUCCESS.value)] == [tuple(row) for row in kept]
    assert [(result.run_id,)] == [tuple(row) for row in requests]
    assert not list(home.rglob("*.db"))
