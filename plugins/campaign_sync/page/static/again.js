// What a person does about rejected rows: have them tried again, look at the source row.

import { act } from "./airflow.js";
import { dialog } from "./dialog.js";
import { el, facts, tell } from "./element.js";

const address = (flow, what) => `flows/${encodeURIComponent(flow.flow)}/${what}`;

const HOW_ONE = {
  to_campaign: "It is read anew in Dynamics, and judged by the mapping as it is now. If it passes, it goes to Campaign: one engine call.",
  to_dynamics: "If the event waits for its contact, a run looks whether Dynamics has it now. Else it comes again from its export file only.",
  both: "The contact is read anew, and both sides are told what holds.",
};
const HOW_MANY = {
  to_campaign: "They are read anew in Dynamics, and judged by the mapping as it is now. Those that pass go to Campaign: one engine call each.",
  to_dynamics: "Only events that wait for their contact can be tried: a run looks whether Dynamics has it now. The others come again from their export file only.",
  both: "The contacts are read anew, and both sides are told what holds.",
};

/**
 * What a person who may act on a flow can do about a row that did not arrive: null if they may not, or there is nothing.
 *
 * `flow` has {flow, direction, may}; a row that is parked follows by itself, so it is not `again` that helps it.
 */
export function rowActions(flow, key, signal, again = true) {
  if (!flow?.may.start) return null;
  const name = `${flow.flow}-${key}`;
  const buttons = [
    again ? againButton(flow, { key }, `again-${name}`, signal) : null,
    sourceButton(flow, key, `source-${name}`, signal)].filter(Boolean);
  return buttons.length ? el("div", { class: "acts" }, buttons) : null;
}

/** A button that has rows of a flow tried again; `which` is {key}, {rule} or {all}. */
export function againButton(flow, which, id, signal) {
  const all = which.key ? "" : which.rule ? `all rows rejected by “${which.rule}”` : `all rejected rows of ${flow.flow}`;
  const send = async () => {
    const { told } = await act(address(flow, "again"), which);
    tell(told);
  };
  const ask = () => dialog({
    title: all ? `Try again ${all}?` : "Try this row again?",
    content: [which.key ? el("p", {}, el("code", {}, which.key)) : null, el("p", {}, (all ? HOW_MANY : HOW_ONE)[flow.direction]), el("p", {}, "A run is started for that, unless the flow is paused.")],
    act: "Try again", work: send, signal });
  return el("button", { type: "button", id, class: "small", "aria-label": `Try again ${all || which.key}`, onclick: ask }, all ? `Try again ${all} …` : "Try again …");
}

/** A button that shows the row in Dynamics as it is now; null where there is none. */
function sourceButton(flow, key, id, signal) {
  if (flow.direction === "to_dynamics") return null;
  const ask = () => dialog({
    title: "Show the row in Dynamics?",
    content: [el("p", {}, el("code", {}, key)),
      el("p", {}, "It has values of a person. That you looked is noted in Airflow's audit log; the values are kept nowhere.")],
    act: "Show it", signal,
    work: async () => show(await act(address(flow, "source"), { key }), id, signal) });
  return el("button", { type: "button", id, class: "small", "aria-label": `Show the source row ${key}`, onclick: ask }, "Source row …");
}

function show({ key, cells }, opener, signal) {
  const content = cells
    ? facts(...cells.map(({ column, value }) => [column, value ?? el("span", { class: "quiet" }, "(empty)")]))
    : el("p", {}, "Dynamics has no such row, or does not show it: it was deleted, or our user there may not read it.");
  if (!signal.aborted) dialog({ title: `${key} in Dynamics, now`, content, opener, signal });
}
