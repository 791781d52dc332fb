// The e-mail events of a contact: those that did not arrive, and the latest of those that are in Dynamics.

import { el, table } from "./element.js";
import { flowLink, keyLink, runLink } from "./links.js";
import { moment, number, plural } from "./words.js";

const STATES = { waiting: "wait for their contact", rejected: "rejected" };

/** Events that wait or were rejected; `actions` are what one can do about the one whose key was given. */
export function missingEvents({ key, events }, actions) {
  if (!events.length) return null;
  const own = events.find((each) => each.state === "rejected" || each.some.includes(key));
  return [table("Events that did not arrive", [
    { head: "Kind", cell: (each) => each.kind },
    { head: "State", cell: (each) => STATES[each.state] },
    { head: "Events", number: true, cell: (each) => number(each.count) },
    { head: "Latest", cell: (each) => moment(each.latest) },
    { head: "Why", cell: (each) => each.reason || "–" },
    { head: "Some", cell: (each) => (each.some.length ? each.some.map((id, at) => [at ? ", " : "", keyLink(id)]) : "–") },
  ], events), own ? actions(own.flow, "rejected") : null];
}

/** Events that are in Dynamics, and their follow-up tasks. */
export function arrivedEvents({ key, events, arrived }) {
  const { latest, more } = arrived;
  return [
    latest.length ? table("Events in Dynamics", columns(key, latest), latest)
      : el("p", {}, events.length ? "None has arrived." : "None is remembered, neither waiting nor in Dynamics."),
    more ? el("p", {}, `… and ${arrived.many_more ? "more than " : ""}${plural(more, "earlier one")}: see the contact's timeline in Dynamics.`) : null,
    el("p", { class: "quiet" }, "Events are remembered for 90 days.", arrived.since
      ? [" Whose those are that arrived before ", moment(arrived.since), " was not kept: see the contact's timeline in Dynamics."] : ""),
  ];
}

function columns(key, latest) {
  const others = latest.some((each) => each.contact !== key);
  return [
    { head: "When", cell: (each) => moment(each.happened) },
    { head: "Event", cell: (each) => [each.kind, " ", el("span", { class: "quiet" }, each.event)] },
    ...(others ? [{ head: "Contact", cell: (each) => (each.contact ? keyLink(each.contact) : "not kept") }] : []),
    { head: "Delivery", cell: (each) => each.delivery || "–" },
    { head: "Activity", cell: (each) => [{ created: "created", unchanged: "was there" }[each.result] ?? "in Dynamics", " ", moment(each.settled_at)] },
    { head: "By the run", cell: (each) => (each.run_id ? runLink(each.flow, each.run_id) : "not kept") },
    { head: "Follow-up task", cell: task },
  ];
}

const task = ({ followed_up: has, task_id: id }) => (has ? el("code", {}, id) : has === false ? "–" : "not kept");
