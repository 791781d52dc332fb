// The room "Approvals": what the guards hold until a person has decided, with the lists of keys.

import { airflowLink, ask, emptyBox, problemBox, runPath } from "./airflow.js";
import { contactAddress } from "./links.js";
import { el, facts, replace, say } from "./element.js";
import { moment, number, plural } from "./words.js";

const KEYS = 100;

/** Shows the room, and keeps it up to date. */
export function showApprovals(room) {
  document.title = "Approvals – Campaign sync";
  let shown = "";
  room.keep(async (signal) => {
    const told = await ask("approvals", {}, signal);
    mark(told);
    const now = JSON.stringify(told);
    // A list that is being read is not drawn anew.
    if (now !== shown) replace(room.place, el("h1", {}, "Approvals"), ...content(told, signal));
    shown = now;
    return 15;
  });
}

/** Keeps the number beside the room's name in the navigation, for as long as the page is open. */
export async function countApprovals() {
  for (;;) {
    if (!document.hidden) await ask("approvals").then(mark, () => mark({ approvals: [], held: [] }));
    await new Promise((go) => setTimeout(go, 60_000));
  }
}

function mark({ approvals, held }) {
  const count = approvals.length + held.length;
  const badge = document.getElementById("waiting");
  badge.hidden = !count;
  badge.replaceChildren(String(count), el("span", { class: "unseen" }, count === 1 ? " waits" : " wait"));
}

function content({ approvals, held }, signal) {
  if (!approvals.length && !held.length)
    return [emptyBox("Nothing waits for approval.", "A run that would delete, empty or opt in more than its mapping allows is listed here until a person has decided.")];
  return [
    approvals.length ? el("ul", { class: "cards" }, approvals.map((each) => el("li", { class: "box" }, approval(each, signal)))) : null,
    held.map(heldBack),
  ].flat().filter(Boolean);
}

function approval(each, signal) {
  return [
    el("h2", {}, el("a", { href: `#/flows/${encodeURIComponent(each.flow)}` }, each.flow), " ", el("span", { class: "badge approval" }, "Waits for approval")),
    el("p", {}, each.subject),
    facts(["Since", moment(each.since)], ["Until", each.until ? moment(each.until) : "somebody decides"], ["Run", el("code", {}, each.run_id)]),
    each.present === null ? el("p", {}, "What it would do is not known any more: its files were swept.") : null,
    each.harms.map((harm) => harmed(each, harm, signal)),
    el("p", { class: "decide" }, airflowLink(runPath(each.flow, each.run_id, `/tasks/${encodeURIComponent(each.task_id)}/required_actions`), "Decide in Airflow"),
      ": approve or reject it in Required Actions. Without an answer it is not done."),
  ];
}

function harmed(each, harm, signal) {
  const place = el("div", {});
  const more = el("button", { type: "button" }, "Show keys");
  let after = "";
  const list = el("ul", { class: "keys" });
  const whole = harm.name.startsWith("opt_") ? plural(each.present, "contact") : `${plural(each.present, "record")} in Campaign`;
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const page = await ask(`approvals/${encodeURIComponent(each.flow)}/keys`, { run: each.run_id, harm: harm.name, after, limit: KEYS }, signal);
      list.append(...page.keys.map((key) => el("li", {}, keyOf(key))));
      after = page.next ?? "";
      more.hidden = page.next === null;
      more.textContent = "Show more keys";
      replace(place, list.children.length ? list : el("p", { class: "quiet" }, "The list was swept."));
      say(`${plural(list.children.length, "key")} shown`);
    } catch (error) {
      if (error.name !== "AbortError") replace(place, list, problemBox(error, () => more.click()));
    } finally {
      more.disabled = false;
    }
  });
  return el("section", { class: "harm" },
    el("h3", {}, `${number(harm.count)} of ${whole} would be ${harm.said}`, harm.beyond ? el("span", { class: "bad" }, `: the mapping allows ${harm.limit}`) : el("span", { class: "quiet" }, " (within the limit)")),
    el("ul", {}, Object.entries(harm.why).map(([why, count]) => el("li", {}, `${number(count)}: ${why}`))),
    place, more);
}

// A contact, and the attribute in the lists of opt-outs.
function keyOf(text) {
  const [key, attribute] = text.split(" ");
  return [el("a", { href: contactAddress(key) }, el("code", {}, key)), attribute ? ` ${attribute}` : ""];
}

function heldBack(each) {
  const many = each.more ? `More than ${number(each.contacts)} contacts wait` : `${plural(each.contacts, "contact waits", "contacts wait")}`;
  return el("section", { class: "box" },
    el("h2", {}, el("a", { href: `#/flows/${encodeURIComponent(each.flow)}` }, each.flow), " ", el("span", { class: "badge approval" }, "Opt-ins held back")),
    el("p", {}, `${many} to be opted in, which no run does unasked. Since `, moment(each.since), "."),
    el("p", {}, "Start ", airflowLink(`dags/${encodeURIComponent(each.flow)}`, "its DAG"), " with “Decide about opt-ins”: it asks here then. Until then all else goes on."),
    el("details", {}, el("summary", {}, "Some of them"), el("ul", { class: "keys" }, each.some.map((key) => el("li", {}, keyOf(key))))));
}
