"use strict";
// Drives @stoqey/ib through the plan and prints what it reported as one JSON document.
// Usage: node stoqey_client.js MODULE_FOLDER HOST PORT PLAN

const path = require("node:path");

const UNSET = 1e308;
const [folder, host, port, planText] = process.argv.slice(2);
const plan = JSON.parse(planText);
const home = path.resolve(folder, "node_modules", "@stoqey", "ib");
const { IBApi, EventName } = require(home);

const api = new IBApi({ host, port: Number(port), maxReqPerSec: 40 });
const heard = new Map(Object.values(EventName).map((name) => [name, []]));
let waiting = [];
let lastRequest = 100;
let lastOrder = 0;

for (const name of Object.values(EventName)) {
  api.on(name, (...values) => {
    heard.get(name).push(values);
    waiting = waiting.filter((look) => !look());
  });
}

const of = (name) => heard.get(name);
const request = () => ++lastRequest;
const number = (value) => (value === undefined || value >= UNSET ? null : value);

/** Waits until the condition holds, and fails when the client's patience ends. */
function until(condition) {
  return new Promise((resolve, reject) => {
    if (condition()) {
      resolve();
      return;
    }
    const timer = setTimeout(() => {
      // What the client said about a frame it could not read is the reason that nothing came.
      const complaints = of("error").filter(([, code]) => code === 505);
      const why = complaints.length ? `; ${complaints[0][0].message.split(":")[0]}` : "";
      reject(new Error(`no answer within ${plan.patience} s${why}`));
    }, plan.patience * 1000);
    waiting.push(() => {
      if (!condition()) {
        return false;
      }
      clearTimeout(timer);
      resolve();
      return true;
    });
  });
}

function wanted(description) {
  return {
    symbol: description.symbol,
    secType: description.sec_type,
    exchange: description.exchange,
    currency: description.currency,
    lastTradeDateOrContractMonth: description.expiry,
    strike: description.strike,
    right: description.right,
    multiplier: description.multiplier && Number(description.multiplier),
  };
}

const contractOf = (contract) => ({
  con_id: contract.conId,
  symbol: contract.symbol,
  sec_type: contract.secType,
  currency: contract.currency,
  local_symbol: contract.localSymbol,
});

const orderOf = (contract, order, state) => ({
  account: order.account,
  ...contractOf(contract),
  perm_id: order.permId,
  action: order.action,
  type: order.orderType,
  tif: order.tif,
  order_ref: order.orderRef,
  status: state.status,
});

const statuses = (orderId) => of("orderStatus").filter(([id]) => id === orderId);
const codes = (id) => of("error").filter((e) => e[2] === id).map((e) => e[1]);
const fills = (orderId) =>
  of("execDetails")
    .map(([, , execution]) => execution)
    .filter((e) => e.orderId === orderId && e.clientId === plan.client_id);
const charges = (orderId) => {
  const ids = new Set(fills(orderId).map((execution) => execution.execId));
  return of("commissionReport").map(([report]) => report).filter((r) => ids.has(r.execId));
};
const sum = (values) => values.reduce((total, value) => total + value, 0);

function place(name, orderType) {
  const what = plan[name];
  lastOrder += 1;
  api.placeOrder(lastOrder, wanted(what.contract), {
    action: "BUY",
    orderType,
    totalQuantity: what.quantity,
    lmtPrice: what.limit,
    tif: "DAY",
    account: plan.account,
    orderRef: what.order_ref,
    transmit: true,
  });
  return lastOrder;
}

async function contractDetails(name) {
  const id = request();
  api.reqContractDetails(id, wanted(plan.contracts[name]));
  await until(() => of("contractDetailsEnd").some(([asked]) => asked === id));
  return of("contractDetails")
    .filter(([asked]) => asked === id)
    .map(([, d]) => ({
      ...contractOf(d.contract),
      multiplier: number(d.contract.multiplier),
      expiry: d.contract.lastTradeDateOrContractMonth,
      strike: number(d.contract.strike),
      right: d.contract.right,
      exchange: d.contract.exchange,
      primary_exchange: d.contract.primaryExch,
      trading_class: d.contract.tradingClass,
      long_name: d.longName,
      min_tick: d.minTick,
      under_con_id: d.underConId,
      contract_month: d.contractMonth,
      valid_exchanges: d.validExchanges,
      trading_hours: d.tradingHours,
      isin: (d.secIdList ?? [])
        .filter((t) => t.tag === "ISIN")
        .map((t) => t.value)
        .join(","),
      stock_type: d.stockType,
    }));
}

const steps = {
  async connect() {
    api.connect(plan.client_id);
    await until(() => of("nextValidId").length && of("managedAccounts").length);
    return [{ server_version: api.serverVersion }];
  },
  async managed_accounts() {
    const names = of("managedAccounts").at(-1)[0].split(",");
    return names.filter(Boolean).map((account) => ({ account }));
  },
  async next_valid_id() {
    const orderId = of("nextValidId").at(-1)[0];
    lastOrder = orderId - 1;
    return [{ order_id: orderId }];
  },
  async positions() {
    api.reqPositions();
    await until(() => of("positionEnd").length);
    return of("position").map(([account, contract, held, cost]) => ({
      account,
      ...contractOf(contract),
      quantity: held,
      average_cost: cost,
    }));
  },
  async account_summary() {
    api.reqAccountSummary(request(), "All", plan.summary_request);
    await until(() => of("accountSummaryEnd").length);
    return of("accountSummary")
      .filter(([, , tag]) => plan.summary_tags.includes(tag))
      .map(([, account, tag, value, currency]) => ({ account, tag, currency, value }));
  },
  async account_values() {
    api.reqAccountUpdates(true, plan.account);
    await until(() => of("accountDownloadEnd").length);
    return of("updateAccountValue").map(([tag, value, currency]) => ({ tag, currency, value }));
  },
  async portfolio() {
    return of("updatePortfolio").map((p) => ({
      ...contractOf(p[0]),
      quantity: p[1],
      price: p[2],
      value: p[3],
      average_cost: p[4],
      unrealized: p[5],
      realized: p[6],
    }));
  },
  async open_orders() {
    api.reqAllOpenOrders();
    await until(() => of("openOrderEnd").length);
    return of("openOrder").map(([orderId, contract, order, state]) => ({
      ...orderOf(contract, order, state),
      order_id: orderId,
      client_id: order.clientId,
      quantity: order.totalQuantity,
      limit: order.lmtPrice,
      outside_rth: order.outsideRth,
    }));
  },
  async completed_orders() {
    api.reqCompletedOrders(false);
    await until(() => of("completedOrdersEnd").length);
    return of("completedOrder").map(([contract, order, state]) => ({
      ...orderOf(contract, order, state),
      filled: order.filledQuantity,
      completed_at: state.completedTime,
      completed_status: state.completedStatus,
    }));
  },
  async executions() {
    api.reqExecutions(request(), {});
    await until(() => of("execDetailsEnd").length);
    return of("execDetails").map(([, contract, execution]) => ({
      account: execution.acctNumber,
      ...contractOf(contract),
      exec_id: execution.execId,
      order_id: execution.orderId,
      client_id: execution.clientId,
      perm_id: execution.permId,
      order_ref: execution.orderRef,
      time: execution.time,
      exchange: execution.exchange,
      side: execution.side,
      quantity: execution.shares,
      price: execution.price,
      cumulative: execution.cumQty,
      average_price: execution.avgPrice,
    }));
  },
  async commissions() {
    return of("commissionReport").map(([report]) => ({
      exec_id: report.execId,
      commission: report.commission,
      currency: report.currency,
      realized: number(report.realizedPNL),
    }));
  },
  ...Object.fromEntries(
    Object.keys(plan.contracts).map((name) => [name, () => contractDetails(name)]),
  ),
  async daily_bars() {
    const id = request();
    api.reqHistoricalData(id, wanted(plan.bars), "", "5 D", "1 day", "TRADES", 1, 1, false);
    const mine = () => of("historicalData").filter(([asked]) => asked === id);
    await until(() => mine().some(([, date]) => date.startsWith("finished")));
    return mine()
      .filter(([, date]) => !date.startsWith("finished"))
      .map(([, date, open, high, low, close, volume, trades, wap]) => ({
        date,
        open,
        high,
        low,
        close,
        volume,
        wap,
        trades,
      }));
  },
  async market_order() {
    const id = place("market_order", "MKT");
    await until(
      () =>
        statuses(id).some((s) => s[1] === "Filled") &&
        fills(id).length &&
        fills(id).length === charges(id).length,
    );
    const last = statuses(id).at(-1);
    return [
      {
        order_id: id,
        perm_id: last[5],
        status: last[1],
        filled: last[2],
        remaining: last[3],
        average_price: last[4],
        executed: sum(fills(id).map((execution) => execution.shares)),
        commission: sum(charges(id).map((report) => report.commission)),
        currency: charges(id)[0].currency,
      },
    ];
  },
  async limit_order_cancel() {
    const id = place("limit_order", "LMT");
    await until(() => statuses(id).some((s) => s[1] === "Submitted"));
    api.cancelOrder(id);
    await until(() => statuses(id).some((s) => s[1] === "Cancelled") && codes(id).includes(202));
    const last = statuses(id).at(-1);
    return [
      {
        order_id: id,
        perm_id: last[5],
        resting: "Submitted",
        status: last[1],
        filled: last[2],
        notice: 202,
      },
    ];
  },
  async unknown_contract() {
    const id = request();
    api.reqContractDetails(id, wanted(plan.unknown));
    await until(() => codes(id).length);
    return codes(id).map((code) => ({ code }));
  },
};

async function main() {
  const operations = {};
  for (const [name, run] of Object.entries(steps)) {
    try {
      operations[name] = { rows: await run() };
    } catch (error) {
      operations[name] = { failed: `${error.name}: ${error.message}` };
    }
  }
  api.disconnect();
  const version = require(path.join(home, "package.json")).version;
  // A value the client leaves undefined is one it was not told, not one it does not know of.
  const text = JSON.stringify({ version, operations }, (_, v) => (v === undefined ? null : v));
  process.stdout.write(`${text}\n`, () => process.exit(0));
}

main();
