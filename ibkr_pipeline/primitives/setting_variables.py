"""Which environment variable overrides which setting, and which look as if they did.

What lives here: the names. What must not: reading the environment, which `settings.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ibkr_pipeline.primitives.setting_problems import nearest

#: Environment variable -> dotted setting it overrides.
ENVIRONMENT: Mapping[str, str] = {
    "IBKR_HOST": "ibkr.host",
    "IBKR_PORT": "ibkr.port",
    "IBKR_CLIENT_ID": "ibkr.client_id",
    "IBKR_USE_GATEWAY": "ibkr.use_gateway",
    "IBKR_ACCOUNTS": "ibkr.accounts",
    "IBKR_FLEX_TOKEN": "ibkr.flex_token",
    "IBKR_FLEX_QUERY_ID": "ibkr.flex_query_id",
    "IBKR_FLEX_URL": "ibkr.flex_url",
    "IBKR_PIPELINE_DATA": "data_dir",
    "IBKR_PIPELINE_MODE": "mode",
    "IBKR_PIPELINE_POSTGRES_URL": "postgres_url",
    "DAGSTER_HOME": "dagster_home",
}
#: Names the configuration file; beats every default and is beaten by `--config`.
CONFIG_VARIABLE = "IBKR_PIPELINE_CONFIG"
#: A variable that begins like this is meant for this program, longest beginning first.
_PREFIXES = ("IBKR_PIPELINE_", "IBKR_")


def unknown_variables(names: Iterable[str]) -> dict[str, str | None]:
    """Return variable that nothing reads -> the known one most like it, None where none is.

    Only names that begin as ours do are looked at; values never are, since they may be secrets.

    >>> unknown_variables(["IBKR_PROT", "IBKR_PORT", "PATH"])
    {'IBKR_PROT': 'IBKR_PORT'}
    """
    known = {*ENVIRONMENT, CONFIG_VARIABLE}
    by_stem = {_stem(name): name for name in known}
    found: dict[str, str | None] = {}
    for name in sorted(names):
        if name not in known and name.upper().startswith(_PREFIXES):
            near = nearest(_stem(name.upper()), by_stem)
            found[name] = None if near is None else by_stem[near]
    return found


def _stem(name: str) -> str:
    """Return a name without its beginning, which would make every two names alike."""
    prefix = next((item for item in _PREFIXES if name.startswith(item)), "")
    return name.removeprefix(prefix)
