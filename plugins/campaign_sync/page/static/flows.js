// The room "Flows": each flow with its status, what waits, and what its last run did.

import { ask, airflowLink, emptyBox, runPath } from "./airflow.js";
import { el, facts, replace } from "./element.js";
import { flowButtons } from "./starting.js";
import { tallyBar } from "./tally.js";
import { counted, distance, duration, number, plural, since } from "./words.js";

export const STATUS = {
  broken: "Broken mapping", approval: "Waits for approval", running: "Running", paused: "Paused", failed: "Failed",
  idle: "Idle",
};

const DIRECTION = { to_campaign: "Dynamics → Campaign", to_dynamics: "Campaign → Dynamics", both: "Dynamics ↔ Campaign" };

/** Shows the room, and keeps it up to date. */
export function showFlows(room) {
  document.title = "Flows – Campaign sync";
  let shown = "";
  const list = el("div", {});
  room.keep(async (signal) => {
    const { flows } = await ask("flows", {}, signal);
    if (!list.isConnected) replace(room.place, el("h1", {}, "Flows"), list);
    const told = JSON.stringify(flows);
    if (told !== shown || flows.some((flow) => flow.progress)) replace(list, flows.length ? [summary(flows), cards(flows, room)] : nothing());
    shown = told;
    return flows.some((flow) => flow.progress) ? 3 : 15;
  });
}

function summary(flows) {
  const told = Object.keys(STATUS)
    .map((status) => [status, flows.filter((flow) => flow.status === status).length])
    .filter(([, count]) => count)
    .map(([status, count]) => `${number(count)} ${STATUS[status].toLowerCase()}`);
  return el("p", { class: "quiet" }, `${plural(flows.length, "flow")}: ${told.join(", ")}.`);
}

const cards = (flows, room) => el("ul", { class: "cards" }, flows.map((flow) => el("li", { class: "card" }, card(flow, room))));

function card(flow, room) {
  const address = `#/flows/${encodeURIComponent(flow.flow)}`;
  return [
    el("div", { class: "who" },
      el("h2", {}, el("a", { href: address, id: `flow-${flow.flow}` }, flow.flow), " ", badge(flow)),
      el("p", {}, flow.description),
      el("p", { class: "quiet" }, DIRECTION[flow.direction]),
      flowButtons(flow, room)),
    standing(flow),
    el("div", { class: "last" }, flow.progress ? progress(flow.progress, flow.flow) : lastRun(flow)),
  ];
}

/** The status of a flow, as a badge. */
export const badge = (flow) => el("span", { class: `badge ${flow.status}` }, STATUS[flow.status]);

/** What waits, what was rejected, and when it goes on. */
export function standing(flow) {
  const rows = (what) => `#/rows?what=${what}&flow=${encodeURIComponent(flow.flow)}`;
  const link = (what, count, word) => (count.rows
    ? el("a", { href: rows(what), id: `${what}-${flow.flow}`, "aria-label": `${counted(count)} ${word} rows of ${flow.flow}` }, counted(count)) : "0");
  return facts(
    ["Waiting", link("parked", flow.waiting, "waiting")],
    ["Waits longest", flow.waiting_since ? duration(since(flow.waiting_since)) : "none"],
    ["Rejected", link("rejected", flow.rejected, "rejected")],
    ["Changes read", flow.direction === "to_dynamics" || flow.status === "broken" ? null : flow.up_to ? distance(flow.up_to) : "not yet"],
    ["Next run by the clock", flow.status === "broken" ? null : flow.paused ? "paused" : flow.next_run ? distance(flow.next_run) : "by hand only"],
  );
}

/** What the last run of a flow did. */
export function lastRun(flow) {
  const failed = flow.failed_run && flow.failed_run !== flow.last_run?.run_id
    ? el("p", {}, airflowLink(runPath(flow.flow, flow.failed_run), "The latest run failed")) : null;
  if (!flow.last_run) return [failed, el("p", { class: "quiet" }, flow.status === "broken" ? "It cannot run: see what is wrong with its mapping." : "Has not run yet.")];
  const { run_id, ended, state, tally } = flow.last_run;
  const address = `#/flows/${encodeURIComponent(flow.flow)}?run=${encodeURIComponent(run_id)}`;
  return [failed,
    el("p", {}, el("a", { href: address, id: `last-${flow.flow}` }, "Last run"), " ", distance(ended), state === "failed" ? el("strong", { class: "bad" }, " failed") : ""),
    tallyBar(tally)];
}

/** How far the run is that is under way. */
export function progress(run, flow) {
  const running = el("p", {}, airflowLink(runPath(flow, run.run_id), "Running"), run.started ? ` for ${duration(since(run.started))}` : "");
  if (run.waits_for_approval)
    return [running, el("p", { class: "bad" }, airflowLink(runPath(flow, run.run_id, "/required_actions"), "A person must decide"), " before it goes on.")];
  if (run.batches === null) return [running, el("p", { class: "quiet" }, "It is reading.")];
  if (!run.batches) return [running, el("p", { class: "quiet" }, "Nothing had changed.")];
  const meter = el("progress", { max: run.batches, value: run.batches_done, "aria-label": `Batches of ${flow} that are done` });
  const left = run.seconds_left === null ? [] : [`${number(Math.round(run.rows_per_second))} rows/s`, `${duration(run.seconds_left)} left`];
  return [running, meter,
    el("p", { class: "quiet" }, [`${number(run.batches_done)} of ${plural(run.batches, "batch", "batches")}`, `${number(run.rows_done)} of ${plural(run.rows, "row")}`, ...left].join(" · "))];
}

const nothing = () => emptyBox("There is no flow yet, or none that you may read.",
  "Put a mapping file into include/mappings, or have one drafted with ", el("code", {}, "python -m campaign_sync new"),
  "; its DAG appears here some seconds later.");
