// Links to other rooms of the page.

import { el } from "./element.js";

/** The address of a key's page. */
export const contactAddress = (key) => `#/contact/${encodeURIComponent(key)}`;

/** A flow's room. */
export const flowLink = (flow) => el("a", { href: `#/flows/${encodeURIComponent(flow)}` }, flow);

/** A key's page. */
export const keyLink = (key) => el("a", { href: contactAddress(key) }, el("code", {}, key));

/** A run's report, in its flow's room; without one, two had the row in hand. */
export const runLink = (flow, run) => (run
  ? el("a", { href: `#/flows/${encodeURIComponent(flow)}?${new URLSearchParams({ run })}`, class: "run" }, run) : "two runs at once");
