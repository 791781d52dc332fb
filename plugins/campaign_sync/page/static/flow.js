// The room of one flow: how it stands, its runs, what its checks found, and its mapping as tables.

import { airflowLink, ask, emptyBox, problemBox, runPath } from "./airflow.js";
import { runsChart } from "./chart.js";
import { el, facts, replace, say, table } from "./element.js";
import { badge, lastRun, progress, standing } from "./flows.js";
import { flowButtons } from "./starting.js";
import { inWords, tallyBar } from "./tally.js";
import { duration, moment, number, plural } from "./words.js";

const COMPARISON = "reconcile_";

/** Shows the room of a flow; with `asked.run`, that run's report as well. */
export function showFlow(flow, asked, room) {
  document.title = `${flow} – Campaign sync`;
  const about = `flows/${encodeURIComponent(flow)}`;
  const head = el("div", {});
  room.keep(async (signal) => {
    if (head.isConnected) {
      const summary = await ask(`${about}/summary`, {}, signal);
      replace(head, headOf(summary, room));
      return summary.progress ? 3 : 15;
    }
    let detail;
    try {
      detail = await ask(about, {}, signal);
    } catch (error) {
      if (error.status !== 404) throw error;
      if (flow.startsWith(COMPARISON)) location.replace(`#/flows/${encodeURIComponent(flow.slice(COMPARISON.length))}`);
      else replace(room.place, notOurs(flow));
      return Infinity;
    }
    const history = await ask(`${about}/runs`, {}, signal);
    replace(head, headOf(detail.summary, room));
    replace(room.place, head, ...sections(flow, detail, history, asked, signal));
    if (asked.run) document.getElementById("run")?.scrollIntoView();
    return detail.summary.progress ? 3 : 15;
  });
}

const notOurs = (flow) => [el("h1", {}, flow), emptyBox("This is not a flow of campaign_sync, or you may not read it.",
  el("a", { href: "#/flows" }, "See all flows"), ".")];

function headOf(summary, room) {
  return [
    el("p", { class: "quiet" }, el("a", { href: "#/flows", id: "all-flows" }, "Flows"), " / "),
    el("h1", {}, summary.flow, " ", badge(summary)),
    el("p", {}, summary.description),
    el("div", { class: "card two" }, standing(summary),
      el("div", { class: "last" }, summary.progress ? progress(summary.progress, summary.flow) : lastRun(summary))),
    flowButtons(summary, room),
    summary.status === "broken" ? null
      : el("p", {}, airflowLink(`dags/${encodeURIComponent(summary.flow)}`, "Its DAG"), ": its graph, its logs, a backfill."),
  ].filter(Boolean);
}

function sections(flow, detail, history, asked, signal) {
  const { mapping } = detail;
  return [
    mapping?.problems.length ? problems(mapping) : null,
    asked.run ? runSection(flow, asked.run, history.runs, signal) : null,
    mapping?.problems.length && !history.runs.length ? null : runsSection(flow, history, signal),
    mapping && !mapping.problems.length ? [checksSection(mapping, detail.checks), mappingSection(mapping)] : null,
    mapping ? null : emptyBox("The mapping file is not on this machine.",
      "Give Airflow's API server the folder that [campaign_sync] mappings names, to see it here."),
  ].flat().filter(Boolean);
}

function section(id, title, ...content) {
  return el("section", { "aria-labelledby": `${id}-title`, id }, el("h2", { id: `${id}-title` }, title), ...content);
}

function problems(mapping) {
  return section("problems", "This mapping cannot be used",
    el("div", { class: "box problem" }, table(`What is wrong with ${mapping.file}`, [
      { head: "Line", number: true, cell: (each) => (each.line ? String(each.line) : "–") },
      { head: "Key", cell: (each) => el("code", {}, each.key || "–") },
      { head: "Problem", cell: (each) => each.problem },
      { head: "What to do", cell: (each) => each.remedy },
    ], mapping.problems)),
    el("p", { class: "quiet" }, `Correct include/mappings/${mapping.file}; Airflow reads it again by itself. Other flows are not affected.`));
}

function runsSection(flow, history, signal) {
  if (!history.runs.length)
    return section("runs", "Runs", emptyBox("It has not run yet.", "Unpause ", airflowLink(`dags/${encodeURIComponent(flow)}`, "its DAG"), ": that starts the first load."));
  const runs = [...history.runs];
  const place = el("div", {});
  const more = el("button", { type: "button", id: "more-runs" }, "Show earlier runs");
  const draw = (there) => {
    replace(place, runsChart(runs), runsTable(flow, runs));
    more.hidden = !there;
  };
  more.addEventListener("click", async () => {
    const last = runs.at(-1);
    try {
      const earlier = await ask(`flows/${encodeURIComponent(flow)}/runs`, { before: last.started, before_run: last.run_id }, signal);
      runs.push(...earlier.runs);
      draw(earlier.more);
      say(`${plural(runs.length, "run")} shown`);
    } catch (error) {
      more.before(problemBox(error, () => more.click()));
    }
  });
  draw(history.more);
  return section("runs", "Runs", place, more);
}

const lasted = (run) => (run.ended ? duration((new Date(run.ended) - new Date(run.started)) / 1000) : "–");

function runsTable(flow, runs) {
  const address = (run) => `#/flows/${encodeURIComponent(flow)}?run=${encodeURIComponent(run.run_id)}`;
  return table("Runs", [
    { head: "Started", cell: (run) => el("a", { href: address(run), title: run.run_id }, moment(run.started)) },
    { head: "State", cell: (run) => el("span", { class: `badge ${run.state}` }, run.state) },
    { head: "Took", number: true, cell: lasted },
    { head: "Rows", number: true, cell: (run) => (run.tally?.extracted === undefined ? "–" : number(run.tally.extracted)) },
    { head: "What became of them", cell: (run) => (run.state === "running" ? "under way" : inWords(run.tally)) },
    { head: "Airflow", cell: (run) => airflowLink(runPath(flow, run.run_id), "DAG run") },
  ], runs);
}

function runSection(flow, run, runs, signal) {
  const place = el("div", { "aria-busy": "true" }, el("p", { class: "quiet" }, "One moment …"));
  const look = () => ask(`flows/${encodeURIComponent(flow)}/report`, { run }, signal)
    .then((told) => replace(place, ...report(flow, run, told, runs.find((each) => each.run_id === run))))
    .catch((error) => error.name === "AbortError" || replace(place, problemBox(error, look)))
    .finally(() => place.setAttribute("aria-busy", "false"));
  look();
  return section("run", "One run", place);
}

function report(flow, run, told, known) {
  const links = el("p", { class: "links" },
    airflowLink(runPath(flow, run), "DAG run"),
    airflowLink(runPath(flow, run, "/tasks/extract"), "Log of extract"),
    airflowLink(runPath(flow, run, "/tasks/reconcile"), "Log of reconcile"),
    airflowLink(runPath(flow, run, "/tasks/load"), "Logs of load"),
    el("a", { href: `#/rows?${new URLSearchParams({ what: "rejected", flow, run })}` }, "Its rejected rows"));
  const head = facts(["Run", el("code", {}, run)], ["Started", known ? moment(known.started) : null],
    ["Took", known ? lasted(known) : null], ["Read", told.window], ["Batches", told.batches === null ? null : number(told.batches)]);
  if (told.window === null)
    return [head, known ? tallyBar(known.tally) : null, links,
      emptyBox("There is no report of this run.", "It broke off, is under way, or its report was swept; the task logs tell more.")].filter(Boolean);
  return [
    head, known ? tallyBar(known.tally) : null, links,
    told.notes.length ? el("ul", { class: "box" }, told.notes.map((note) => el("li", {}, note))) : null,
    byRule("Rejected", told.rejected), byRule("Parked, waiting for", told.parked), byRule("Dropped", told.dropped),
    docs(flow, run, told.docs),
  ].filter(Boolean);
}

function byRule(title, rules) {
  if (!rules.length) return null;
  return [el("h3", {}, title), table(title, [
    { head: "Rule", cell: (each) => each.rule },
    { head: "Rows", number: true, cell: (each) => number(each.rows) },
    { head: "Some keys", cell: (each) => (each.keys.length
      ? el("details", {}, el("summary", {}, plural(each.keys.length, "key")), el("ul", {}, each.keys.map((key) => el("li", {}, el("code", {}, key))))) : "–") },
  ], rules)];
}

function docs(flow, run, batches) {
  if (!batches.length) return null;
  const place = el("div", {});
  const open = (batch) => () => {
    const address = new URL(`api/flows/${encodeURIComponent(flow)}/docs`, document.baseURI);
    address.search = new URLSearchParams({ run, batch });
    replace(place, el("iframe", { class: "docs", sandbox: true, src: address.href, title: `Data Docs of batch ${batch}` }));
    say(`Data Docs of batch ${batch}`);
  };
  return [el("h3", {}, "Data Docs"), el("ul", { class: "chips" }, batches.map((batch) =>
    el("li", {}, el("button", { type: "button", id: `docs-${batch}`, onclick: open(batch) }, `Batch ${number(batch)}`)))), place];
}

function checksSection(mapping, rates) {
  if (!mapping.checks.length) return section("checks", "Checks", emptyBox("This mapping has no checks.", "Add some below check: in its file."));
  const found = new Map(rates.map((each) => [each.name, each]));
  return section("checks", "Checks", table("Checks", [
    { head: "Check", cell: (check) => el("strong", {}, check.name) },
    { head: "Expectation", cell: (check) => [check.expect.replaceAll("_", " "), " ", el("code", {}, check.arguments)] },
    { head: "Otherwise", cell: (check) => check.otherwise },
    { head: "Passed lately", number: true, cell: (check) => rate(found.get(check.name)) },
  ], mapping.checks));
}

function rate(found) {
  if (!found?.rows) return "no run yet";
  const share = Math.floor(((found.rows - found.unexpected) / found.rows) * 1000) / 10; // 100 only if all did
  return [`${share} %`, el("span", { class: "quiet" }, ` of ${number(found.rows)}`)];
}

function mappingSection(mapping) {
  const limits = Object.entries(mapping.limits).map(([what, limit]) => `${what} ${limit}`).join(", ");
  return section("mapping", "Mapping",
    facts(["File", `${mapping.file} (${mapping.sha})`], ["From", mapping.source], ["To", mapping.target], ["Direction", mapping.written], ["Owner", mapping.owner],
      ["By the clock", mapping.schedule ?? "by hand only"], ["Looks for changes", mapping.watch && mapping.watch !== "off" ? `every ${mapping.watch}` : null],
      ["Limits", limits || null]),
    el("h3", {}, "Filter"), filterView(mapping),
    el("h3", {}, "Fields"), table("Fields", fieldColumns(mapping), mapping.fields));
}

function fieldColumns(mapping) {
  const typed = (name, type) => [el("code", {}, name), type ? el("span", { class: "quiet" }, ` ${type}`) : null];
  return [
    mapping.kind === "events" ? { head: "Event", cell: (field) => field.group } : null,
    { head: mapping.kind === "opt_outs" ? "Dynamics" : "Source", cell: (field) => typed(field.source, field.source_type) },
    { head: mapping.kind === "opt_outs" ? "Campaign" : "Target", cell: (field) => [typed(field.target, field.target_type), field.key ? [" ", el("span", { class: "badge plain" }, "key")] : null] },
    { head: mapping.kind === "opt_outs" ? "The person" : "On the way", cell: onTheWay },
    mapping.kind !== "rows" ? null : { head: "Apply updates", cell: (field) => (field.updates ? "yes" : "no, first value stays") },
  ].filter(Boolean);
}

function onTheWay(field) {
  const told = [];
  if (field.link) told.push(el("p", {}, "the key of ", el("a", { href: `#/flows/${encodeURIComponent(field.link)}` }, field.link)));
  if (field.using.length) told.push(el("p", {}, field.using.join(", ").replaceAll("_", " ")));
  if (field.replaced.length)
    told.push(el("details", {}, el("summary", {}, plural(field.replaced.length, "replacement")),
      el("ul", {}, field.replaced.map((each) => el("li", {}, el("code", {}, each.value), " → ", el("code", {}, each.by))),
        el("li", {}, "otherwise ", el("code", {}, field.otherwise)))));
  return told.length ? told : "as it is";
}

function filterView(mapping) {
  if (!mapping.filter)
    return el("p", {}, mapping.kind === "events" ? "None: every event is brought." : "None: every changed row is ours to send.");
  const out = mapping.filtered_out === "delete" ? "A record that no longer passes is deleted." : "A record that no longer passes stays.";
  return el("div", {}, condition(mapping.filter), el("p", { class: "quiet" }, out));
}

function condition(each) {
  if (!each.join) return [el("strong", {}, each.name), ": ", el("code", {}, each.text)];
  return el("div", {}, each.name ? el("strong", {}, `${each.name}: `) : null, each.join === "all" ? "all of" : "any of",
    el("ul", {}, each.members.map((member) => el("li", {}, condition(member)))));
}
