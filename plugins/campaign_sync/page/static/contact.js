// The room "Contact": why is this contact not in Campaign? All that is known under one key, the answer first.

import { rowActions } from "./again.js";
import { airflowLink, ask, emptyBox, problemBox, runPath } from "./airflow.js";
import { arrivedEvents, missingEvents } from "./contact_events.js";
import { el, facts, replace, say, table } from "./element.js";
import { contactAddress, flowLink, keyLink, runLink } from "./links.js";
import { moment, number, plural } from "./words.js";

const FATES = {
  arrived: "In Campaign", rejected: "Rejected", parked: "Waits", in_doubt: "Not known yet", dropped: "No longer sent", deleted: "Deleted",
  absent: "Not in Campaign", unknown: "Never seen",
};

/** Shows the room, with a key or before one was asked for. */
export function showContact(key, room) {
  document.title = "Contact – Campaign sync";
  const results = el("div", { class: "results" });
  const form = search(key);
  replace(room.place, el("h1", {}, "Contact"), form, results);
  room.place.setAttribute("aria-busy", "false");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = form.elements.key.value.trim();
    if (!typed) form.elements.key.focus();
    // Not even asked for: what is in an address stays in servers' logs.
    else if (/[@\s]/.test(typed)) replace(results, emptyBox("That is no key.", "Addresses and names of people are not kept here: look the contact up in Dynamics, and paste its id."));
    else if (contactAddress(typed) === location.hash) look();
    else location.hash = contactAddress(typed);
  });
  const look = async () => {
    results.setAttribute("aria-busy", "true");
    try {
      const told = await ask(`contacts/${encodeURIComponent(key)}`, {}, room.left.signal);
      replace(results, answer(told, room.left.signal));
      say(told.said);
    } catch (error) {
      if (error.name !== "AbortError") replace(results, problemBox(error, look));
    } finally {
      results.setAttribute("aria-busy", "false");
    }
  };
  if (key) look();
  else replace(results, emptyBox("Why is this contact not in Campaign?", "Paste its id: the page tells what was sent of it, what rejected it, and what it waits for. The key of an account, an order or an event does as well."));
}

function search(key) {
  return el("form", { class: "search", role: "search", "aria-label": "Contact" },
    el("label", { class: "field broad" }, el("span", {}, "Contact id, or the key of another row"),
      el("input", { name: "key", value: key ?? "", autocomplete: "off", spellcheck: "false", maxlength: 250, required: true, placeholder: "0c9ac5a0-7c2f-4f0e-8f0e-6d1c7a9b1e01" })),
    el("button", { type: "submit" }, "Look it up"));
}

/** `left` is when the person leaves the room. */
function answer(told, left) {
  const known = new Map(told.named.map((each) => [each.flow, each]));
  const actions = (flow, state) => (["rejected", "parked"].includes(state) ? rowActions(known.get(flow), told.key, left, state === "rejected") : null);
  return [
    el("section", { class: "box verdict", "aria-labelledby": "verdict" },
      el("h2", { id: "verdict" }, `${told.said}.`, " ", fate(told.fate, known.get(told.flow))),
      when(told),
      el("p", { class: "quiet" }, el("code", {}, told.key), told.flow ? [" in ", flowLink(told.flow)] : "")),
    told.flows.length ? section("flows", "In each flow", told.flows.map((each) => inFlow(told, each, actions(each.flow, each.fate)))) : null,
    told.opt_outs.length ? section("opt-outs", "Opt-outs", told.opt_outs.map((each) => optOuts(each, actions(each.flow, each.fate)))) : null,
    section("events", "E-mail events", missingEvents(told, actions), arrivedEvents(told)),
  ].filter(Boolean);
}

const when = (each) => el("p", {}, each.since ? ["Since ", moment(each.since), ". "] : "", each.remedy ? `${each.remedy}.` : "");

const fate = (name, flow) => el("span", { class: `badge ${name}` }, name === "arrived" && flow?.direction === "to_dynamics" ? "In Dynamics" : FATES[name]);

const section = (id, title, ...content) =>
  el("section", { "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...content);

function inFlow(told, each, actions) {
  const { sent, rejected, waits } = each;
  const preview = `#/preview?${new URLSearchParams({ flow: each.flow, keys: told.key })}`;
  return el("article", { class: "box" },
    el("h3", {}, flowLink(each.flow), " ", fate(each.fate)),
    each.flow === told.flow ? null : [el("p", {}, `${each.said}.`), when(each)],
    waits ? el("p", {}, "Waits for ", keyLink(waits.waits_key), waits.waits_for ? [" of ", flowLink(waits.waits_for)] : "", waits.because ? `: ${waits.because}.` : ".") : null,
    sent ? facts(
      [sent.hash ? "Last sent" : "Last looked at", moment(sent.updated_at)], ["By the run", runLink(each.flow, sent.run_id)],
      ["Mapping", sent.mapping_sha], ["Version in Dynamics", sent.version ? number(sent.version) : null],
      ["Fields with a value", sent.hash ? number(sent.fields) : null], ["Fingerprint", sent.hash ? el("code", {}, sent.hash) : null]) : null,
    rejected ? facts(
      ["Step", rejected.step], ["Rule", rejected.rule], ["Tried", plural(rejected.tries, "time")], ["Last tried", moment(rejected.last_seen)],
      ["By the run", runLink(each.flow, rejected.run_id)], ["Mapping", rejected.mapping_sha]) : null,
    each.names.length ? el("p", {}, "Names ", each.names.map((named, at) => [at ? ", " : "", keyLink(named.parent_key), ` of ${named.parent_flow} (${named.field})`])) : null,
    actions,
    el("p", { class: "links" }, el("a", { href: preview }, "Preview it"),
      sent?.run_id ? airflowLink(runPath(each.flow, sent.run_id), "DAG run") : null,
      rejected ? el("a", { href: `#/rows?${new URLSearchParams({ what: "rejected", flow: each.flow, rule: rejected.rule })}` }, "Others by this rule") : null));
}

function optOuts(each, actions) {
  const said = (no, at) => [no === null ? "nothing" : no ? "no" : "yes", at ? [" since ", moment(at)] : ""];
  return el("article", { class: "box" }, el("h3", {}, flowLink(each.flow)),
    each.said ? el("p", { class: "bad" }, `${each.said}. `, each.since ? ["Since ", moment(each.since), "."] : "") : null,
    actions,
    each.attributes.length ? table(`Opt-outs in ${each.flow}`, [
      { head: "Attribute", cell: (row) => el("code", {}, row.attribute) },
      { head: "Holds", cell: (row) => el("strong", {}, row.no === null ? "open" : row.no ? "objects" : "does not object") },
      { head: "Decided by", cell: (row) => ({ dynamics: "Dynamics", campaign: "Campaign" })[row.decided_by] ?? "–" },
      { head: "Why", cell: (row) => row.why },
      { head: "Dynamics says", cell: (row) => said(row.dynamics_no, row.dynamics_at) },
      { head: "Campaign says", cell: (row) => said(row.campaign_no, row.campaign_at) },
      { head: "Kept", cell: (row) => [moment(row.updated_at), " ", runLink(each.flow, row.run_id), `, mapping ${row.mapping_sha}`] },
    ], each.attributes) : null);
}
