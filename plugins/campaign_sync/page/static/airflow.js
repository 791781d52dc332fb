// Our API, and ways out into Airflow's own pages.

import { el } from "./element.js";

/** An answer that is none: what happened, and what to do. */
export class Problem extends Error {
  constructor(status, problem, remedy) {
    super(problem);
    this.status = status;
    this.remedy = remedy;
  }
}

/** What the API says at an address; `asked` are its parameters, empty ones left out. Throws Problem. */
export function ask(path, asked = {}, signal = undefined) {
  const address = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(asked)) if (value) address.searchParams.set(name, value);
  return answered(address, { headers: { Accept: "application/json" }, signal });
}

/** What the API says to a POST of `question` as JSON. Throws Problem. */
export function send(path, question, signal = undefined) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return answered(new URL(`api/${path}`, document.baseURI), { method: "POST", headers, body: JSON.stringify(question), signal });
}

async function answered(address, how) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...how });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "Airflow does not answer", "Look whether its API server runs, then try again");
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  throw new Problem(answer.status, said.problem ?? `Airflow answered with ${answer.status}`, said.remedy ?? "");
}

/** A link to a page of Airflow's own. */
export function airflowLink(path, ...content) {
  const href = new URL(`../${path}`, document.baseURI).href;
  return el("a", { href, class: "airflow", onclick: (event) => leave(event, href) }, ...content);
}

/** An address below a run. */
export const runPath = (flow, run, rest = "") =>
  `dags/${encodeURIComponent(flow)}/runs/${encodeURIComponent(run)}${rest}`;

function leave(event, href) {
  if (parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  // Our frame may not navigate the window around it. Airflow's router listens for this, and goes there by itself.
  parent.history.pushState(null, "", href);
  parent.dispatchEvent(new parent.PopStateEvent("popstate", { state: null }));
}

/** What to show when an answer is a problem. */
export function problemBox(error, again) {
  if (error.status === undefined) console.error(error);
  const told = error.status === undefined ? "This page has a fault" : error.message;
  const remedy = error.status === undefined ? "Reload it; if that does not help, report this" : error.remedy;
  return el("div", { class: "box problem", role: "alert" },
    el("p", {}, el("strong", {}, `${told}.`), remedy ? ` ${remedy}.` : ""),
    error.status === 401 ? airflowLink("auth/login", "Log in") : el("button", { type: "button", onclick: again }, "Try again"));
}

/** What to show where there is nothing, with a next step. */
export const emptyBox = (told, ...next) => el("div", { class: "box" }, el("p", {}, el("strong", {}, told)), el("p", {}, next));
