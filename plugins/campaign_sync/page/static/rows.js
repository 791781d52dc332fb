// The room "Rejected and parked rows": searched by key, rule and run; the address says what is looked for.

import { showAddress } from "./address.js";
import { againButton, rowActions } from "./again.js";
import { ask, emptyBox, problemBox } from "./airflow.js";
import { contactAddress } from "./links.js";
import { el, replace, say, table } from "./element.js";
import { counted, moment, plural } from "./words.js";

const WORDS = ["what", "flow", "key", "rule", "run"];

/** Shows the room. */
export function showRows(asked, room) {
  document.title = "Rejected and parked rows – Campaign sync";
  room.keep(async (signal) => {
    const { flows } = await ask("flows", {}, signal);
    const form = search(asked, flows.map((flow) => flow.flow));
    const results = el("div", { class: "results" });
    replace(room.place, el("h1", {}, "Rejected and parked rows"), form, results);
    const known = new Map(flows.map((flow) => [flow.flow, flow]));
    const may = { of: (flow) => (known.get(flow)?.may.start ? known.get(flow) : null), left: signal };
    const look = newest(signal, (wanted, still) => find(wanted, results, may, still));
    form.addEventListener("input", soon(() => look(wantedOf(form))));
    form.addEventListener("submit", (event) => { event.preventDefault(); look(wantedOf(form)); });
    form.addEventListener("chosen", () => look(wantedOf(form)));
    await look(wantedOf(form));
    return Infinity; // a list that moves under the reader helps nobody
  });
}

function search(asked, flows) {
  const what = (value, text) => el("label", {},
    el("input", { type: "radio", name: "what", value, checked: (asked.what ?? "rejected") === value }), ` ${text}`);
  const field = (name, text, hint) => el("label", { class: "field" }, el("span", {}, text),
    el("input", { name, value: asked[name] ?? "", autocomplete: "off", spellcheck: "false", placeholder: hint, maxlength: 250 }));
  const choice = el("select", { name: "flow" }, el("option", { value: "" }, "All flows"),
    flows.map((flow) => el("option", { value: flow, selected: asked.flow === flow }, flow)));
  return el("form", { class: "search", role: "search", "aria-label": "Rows" },
    el("fieldset", {}, el("legend", { class: "unseen" }, "Which rows"), what("rejected", "Rejected"), what("parked", "Parked")),
    el("label", { class: "field" }, el("span", {}, "Flow"), choice),
    field("key", "Key begins with", "contactid, or its first letters"),
    field("rule", "Rule, or the flow it waits for", "all"),
    field("run", "Run", "all"));
}

function wantedOf(form) {
  const data = new FormData(form);
  return Object.fromEntries(WORDS.map((word) => [word, String(data.get(word) ?? "").trim()]));
}

function remember(wanted) {
  const told = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
  history.replaceState(null, "", `#/rows?${told}`); // does not open the room anew
  showAddress();
}

async function find(wanted, results, may, signal) {
  remember(wanted);
  results.setAttribute("aria-busy", "true");
  try {
    const [page, { rules }] = await Promise.all([
      ask("rows", wanted, signal),
      wanted.flow ? ask("rules", { what: wanted.what, flow: wanted.flow }, signal) : { rules: [] },
    ]);
    show(wanted, page, rules, results, may, signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    replace(results, problemBox(error, () => find(wanted, results, may, signal)));
  }
  results.setAttribute("aria-busy", "false");
}

/** `may.of` is a flow if the person may act on it; `may.left` is when they leave the room. */
function show(wanted, page, rules, results, may, signal) {
  if (!page.rows.length) {
    replace(results, nothing(wanted));
    say("No rows");
    return;
  }
  const rows = [...page.rows];
  const place = el("div", {});
  const more = el("button", { type: "button", id: "more" }, "Show more");
  const draw = (next) => {
    replace(place, listed(wanted.what, rows, may));
    more.hidden = !next;
    more.onclick = async () => {
      const before = rows.length;
      const following = await ask("rows", { ...wanted, after: next }, signal).catch((error) => {
        more.before(problemBox(error, () => more.click()));
        return null;
      });
      if (!following) return;
      rows.push(...following.rows);
      draw(following.next);
      place.querySelectorAll("tbody tr")[before]?.querySelector("a")?.focus();
      say(`${plural(rows.length, "row")} shown`);
    };
  };
  draw(page.next);
  replace(results, chips(wanted, rules), againAll(wanted, may), place, more);
  say(`${plural(rows.length, "row")} shown${page.next ? ", and there are more" : ""}`);
}

function chips(wanted, rules) {
  if (!rules.length) return [];
  const choose = (rule) => () => {
    const form = document.querySelector("form.search");
    form.elements.rule.value = wanted.rule === rule ? "" : rule;
    form.dispatchEvent(new Event("chosen"));
  };
  return el("ul", { class: "chips", "aria-label": wanted.what === "parked" ? "Waiting for" : "Rules" }, rules.map((each, at) =>
    el("li", {}, el("button", { type: "button", id: `rule-${at}`, "aria-pressed": String(wanted.rule === each.rule), onclick: choose(each.rule) },
      `${each.rule} `, el("span", { class: "quiet" }, counted(each))))));
}

/** A button for all rows that are shown, where these are all of a flow or of a rule. */
function againAll(wanted, may) {
  const flow = wanted.what === "rejected" && !wanted.key && !wanted.run && may.of(wanted.flow);
  if (!flow) return [];
  return el("div", { class: "acts" }, againButton(flow, wanted.rule ? { rule: wanted.rule } : { all: true }, "again-all", may.left));
}

function listed(what, rows, may) {
  const flow = { head: "Flow", cell: (row) => el("a", { href: `#/flows/${encodeURIComponent(row.flow)}` }, row.flow) };
  const run = { head: "Last looked at", cell: (row) =>
    el("a", { href: `#/flows/${encodeURIComponent(row.flow)}?run=${encodeURIComponent(row.run_id)}`, class: "run", title: row.run_id }, moment(row.last_seen)) };
  const key = { head: "Key", cell: (row) => el("a", { href: contactAddress(row.source_key) }, el("code", {}, row.source_key)) };
  const since = { head: "Since", cell: (row) => moment(row.first_seen) };
  const reason = { head: "Why", cell: (row) => row.reason };
  if (what === "parked")
    return table("Parked rows", [key, flow,
      { head: "Waits for", cell: (row) => [el("a", { href: `#/rows?${new URLSearchParams({ flow: row.rule, key: row.waits_key })}` }, el("code", {}, row.waits_key)), ` of ${row.rule}`] }, reason, since, run], rows);
  return table("Rejected rows", [key, flow,
    { head: "Rule", cell: (row) => [el("a", { href: `#/rows?${new URLSearchParams({ flow: row.flow, rule: row.rule })}` }, row.rule), el("span", { class: "quiet" }, ` in ${row.step}`)] },
    reason, since, { head: "Tries", number: true, cell: (row) => String(row.tries) }, run,
    ...(rows.some((row) => may.of(row.flow)) ? [{ head: "Do", cell: (row) => rowActions(may.of(row.flow), row.source_key, may.left) ?? "–" }] : [])], rows);
}

function nothing(wanted) {
  const other = wanted.what === "parked" ? "rejected" : "parked";
  const narrowed = wanted.key || wanted.rule || wanted.run;
  const elsewhere = el("a", { href: `#/rows?${new URLSearchParams({ ...wanted, what: other, rule: "" })}` }, `Look among ${other} rows`);
  if (narrowed)
    return emptyBox(`No ${wanted.what} row is like that.`, elsewhere, ", or take something out of the search. A row that is in neither list was sent, dropped by a filter, or never read",
      wanted.key ? [": ", el("a", { href: contactAddress(wanted.key) }, "see what is known of this key")] : null, ".");
  return emptyBox(`No row is ${wanted.what}.`, elsewhere, ".");
}

function soon(work) {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(work, 250); };
}

/** Calls `work` such that a later call ends an earlier one. */
function newest(signal, work) {
  let running = new AbortController();
  return (wanted) => {
    running.abort();
    running = new AbortController();
    return work(wanted, AbortSignal.any([signal, running.signal]));
  };
}
