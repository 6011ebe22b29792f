"""Statements to measure with: files of any length, with the attributes real ones have.

What lives here: made-up rows in the vendor's own spelling. What must not: timing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

ACCOUNT = "DU0000001"
OTHER_ACCOUNT = "DU0000002"

#: The 85 attributes of an execution with every box ticked, in the vendor's order.
_TRADE = {
    "accountId": ACCOUNT, "acctAlias": "", "model": "", "currency": "EUR",
    "fxRateToBase": "0.94089", "assetCategory": "STK", "subCategory": "COMMON", "symbol": "SIMA",
    "description": "SIMULATED A INC", "conid": "1001", "securityID": "US0000000001",
    "securityIDType": "ISIN", "cusip": "", "isin": "US0000000001", "figi": "BBG000000001",
    "listingExchange": "FWB2", "underlyingConid": "", "underlyingSymbol": "SIMA",
    "underlyingSecurityID": "", "underlyingListingExchange": "", "issuer": "",
    "issuerCountryCode": "US", "tradeID": "", "multiplier": "1", "relatedTradeID": "",
    "strike": "", "reportDate": "20260701", "expiry": "", "dateTime": "", "putCall": "",
    "tradeDate": "", "principalAdjustFactor": "", "settleDateTarget": "20260703",
    "transactionType": "ExchTrade", "exchange": "GETTEX2", "quantity": "", "tradePrice": "",
    "tradeMoney": "796.8", "proceeds": "", "taxes": "0", "ibCommission": "",
    "ibCommissionCurrency": "EUR", "netCash": "-799.8", "closePrice": "33",
    "openCloseIndicator": "O", "notes": "", "cost": "799.8", "fifoPnlRealized": "0",
    "mtmPnl": "-4.8", "origTradePrice": "0", "origTradeDate": "", "origTradeID": "",
    "origOrderID": "0", "origTransactionID": "0", "buySell": "BUY", "clearingFirmID": "",
    "ibOrderID": "", "transactionID": "", "ibExecID": "", "relatedTransactionID": "", "rtn": "",
    "brokerageOrderID": "005797ec.00022293.6892de28.0002", "orderReference": "",
    "volatilityOrderLink": "", "exchOrderId": "N/A", "extExecID": "422460952",
    "orderTime": "20260701;093439", "openDateTime": "", "holdingPeriodDateTime": "",
    "whenRealized": "", "whenReopened": "", "levelOfDetail": "EXECUTION", "changeInPrice": "0",
    "changeInQuantity": "0", "orderType": "LMT", "traderID": "", "isAPIOrder": "N",
    "accruedInt": "0", "initialInvestment": "", "positionActionID": "", "serialNumber": "",
    "deliveryType": "", "commodityType": "", "fineness": "0.0", "weight": "0.0",
}  # fmt: skip


_HEAD_END = "<Trades>\n"
_FOOT = "</Trades>\n</FlexStatement>\n</FlexStatements>\n</FlexQueryResponse>\n"


def write_trades(
    path: Path, rows: int, *, generated: str = "20260801;020000", account: str = ACCOUNT
) -> None:
    """Write a statement of July 2026 with `rows` executions, about 1.6 kB each."""
    with path.open("w", encoding="utf-8") as file:
        file.write(_head(generated, account))
        file.writelines(_trades(rows, account))
        file.write(_FOOT)


def repeat_rows(path: Path, source: Path, times: int) -> None:
    """Write the statement `source` with its rows several times over."""
    head = _HEAD_END.encode()
    foot = _FOOT.encode()
    with path.open("wb") as file, source.open("rb") as rows:
        for line in rows:
            file.write(line)
            if line == head:
                break
        begin, end = rows.tell(), source.stat().st_size - len(foot)
        for _ in range(times):
            rows.seek(begin)
            left = end - begin
            while left:
                piece = rows.read(min(left, 1 << 20))
                file.write(piece)
                left -= len(piece)
        file.write(foot)


def write_hostile(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write files made to hurt, one after the other, and yield what is wrong with each."""
    path = folder / "hostile.xml"
    for name, rows in (
        ("an attribute without end", ['<Trade accountId="', *["A" * (1 << 20)] * 64]),
        (
            "100,000 rows of 20 attributes nobody has, no two rows alike",
            (_stranger(row) for row in range(100_000)),
        ),
    ):
        with path.open("w", encoding="utf-8") as file:
            file.write(_head("20260801;020000", ACCOUNT))
            file.writelines(rows)
            file.write(_FOOT)
        yield name, path
    with path.open("w", encoding="utf-8") as file:
        head = _head("20260801;020000", ACCOUNT).splitlines(keepends=True)
        file.writelines(head[:2])
        for number in range(100_001):
            file.write(head[2].replace(ACCOUNT, f"DU{number:07}"))
            file.write("<Trades></Trades></FlexStatement>")
    yield "statements of 100,001 accounts", path


def _stranger(row: int) -> str:
    """Return a row of attributes that no other row has."""
    told = " ".join(f'a{row}b{number}="1"' for number in range(20))
    return f"<Trade {told} />\n"


def _head(generated: str, account: str) -> str:
    return (
        '<FlexQueryResponse queryName="benchmark" type="AF">\n<FlexStatements count="1">\n'
        f'<FlexStatement accountId="{account}" fromDate="20260701" toDate="20260731" '
        f'period="LastMonth" whenGenerated="{generated}">\n{_HEAD_END}'
    )


def _trades(rows: int, account: str) -> Iterator[str]:
    for index in range(rows):
        quantity, price = 1 + index % 500, 10 + index % 1000 * 0.37
        day = f"202607{1 + index % 28:02}"
        trade = _TRADE | {
            "accountId": account,
            "transactionID": str(30_000_000_000 + index),
            "tradeID": str(1_700_000_000 + index),
            "ibExecID": f"0000e183.{index:08x}.04.01",
            "ibOrderID": str(4_000_000_000 + index // 3),
            "dateTime": f"{day};{9 + index % 7:02}{index % 60:02}{index * 7 % 60:02}",
            "tradeDate": day,
            "quantity": str(quantity),
            "tradePrice": f"{price:.4f}",
            "proceeds": f"{-quantity * price:.6f}",
            "ibCommission": f"{-1 - index % 100 * 0.0137:.6f}",
        }
        told = " ".join(f"{name}={quoteattr(value)}" for name, value in trade.items())
        yield f"<Trade {told} />\n"
