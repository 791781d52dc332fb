// What became of the rows of a run: a bar, and the same in words.

import { el } from "./element.js";
import { number } from "./words.js";

export const FATES = ["created", "updated", "deleted", "unchanged", "dropped", "parked", "rejected"];

/** "2 created, 50 updated", or what to say of a run without rows. */
export function inWords(tally) {
  if (!tally || !Object.keys(tally).length) return "ended before its rows were counted";
  const told = FATES.filter((fate) => tally[fate]).map((fate) => `${number(tally[fate])} ${fate}`);
  return told.length ? told.join(", ") : "nothing had changed";
}

/** The bar of a run, with its legend. */
export function tallyBar(tally) {
  const met = FATES.filter((fate) => tally?.[fate]);
  if (!met.length) return el("p", { class: "quiet" }, inWords(tally));
  const bar = el("div", { class: "bar", "aria-hidden": "true" }, met.map((fate) => el("span", { class: `fate ${fate}` })));
  [...bar.children].forEach((part, at) => { part.style.flexGrow = tally[met[at]]; });
  const legend = el("ul", { class: "legend" }, met.map((fate) =>
    el("li", {}, el("span", { class: `dot ${fate}`, "aria-hidden": "true" }), `${number(tally[fate])} ${fate}`)));
  return el("div", { class: "tally" }, bar, legend);
}
