"""Whether the accounts behind a fresh connection are those the mode allows.

Runs between the bare connection and the first request. A port proves nothing: a gateway logged in
to a live account serves whatever port it was told to.
"""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.brokers.exceptions import ModeMismatchError
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.identifiers import is_paper_account
from ibkr_pipeline.settings import is_loopback


def check_mode(config: IBKRConnectionConfig, managed: Sequence[str], peer_host: str) -> None:
    """Refuse accounts of another world than the mode's.

    Words without a digit, such as All, name no account and are left aside.

    Raises:
        ModeMismatchError: If an account does not belong to the mode, or a simulated broker is not
            on this machine.
    """
    codes = [code for code in managed if any(letter.isdigit() for letter in code)]
    if config.mode is Environment.SIMULATED and peer_host and not is_loopback(peer_host):
        raise ModeMismatchError(
            f"The mode is simulated and {config.address} turned out to be {peer_host}, another "
            f"machine. Set IBKR_HOST=127.0.0.1, or another mode."
        )
    if config.mode is Environment.LIVE:
        wrong = [code for code in codes if is_paper_account(code)]
        expected, advice = "live accounts, which do not start with DU or DF", "paper"
    else:
        wrong = [code for code in codes if not is_paper_account(code)]
        expected, advice = "paper accounts, which start with DU or DF", "live"
    if wrong:
        raise ModeMismatchError(
            f"The mode is {config.mode.value} and the gateway at {config.address} manages "
            f"{', '.join(wrong)}; expected {expected}. Nothing was asked of it. Log in to the "
            f"other kind of account, or set IBKR_PIPELINE_MODE={advice} to read these."
        )
