// Our API and Airflow's, and ways out into Airflow's own pages.

import { el } from "./element.js";

/** An answer that is none: what happened, and what to do. */
export class Problem extends Error {
  constructor(status, problem, remedy) {
    super(problem);
    this.status = status;
    this.remedy = remedy;
  }
}

/** What our API says at an address; `asked` are its parameters, empty ones left out. Throws Problem. */
export function ask(path, asked = {}, signal = undefined) {
  const address = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(asked)) if (value) address.searchParams.set(name, value);
  return call(address, { signal });
}

/** Has our API do something. Throws Problem. */
export const act = (path, asked) => call(new URL(`api/${path}`, document.baseURI), { method: "POST", body: asked });

/** Asks Airflow's own API, which checks the right and notes in its audit log what it does. Throws Problem. */
export const airflowApi = (path, method = "GET", body = undefined) =>
  call(new URL(`../api/v2/${path}`, document.baseURI), { method, body });

const REMEDIES = {
  401: "Log in to Airflow, and open the page again", 403: "Ask an administrator of Airflow for the right",
  404: "Look whether its mapping file is still there, and reload the page",
};

async function call(address, { method = "GET", body = undefined, signal = undefined }) {
  const headers = { Accept: "application/json" };
  // Only JSON: what a form of another site could send is refused (acting.py).
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(address, { method, body: body && JSON.stringify(body), credentials: "same-origin", headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "Airflow does not answer", "Look whether its API server runs, then try again");
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const detail = typeof said.detail === "string" ? said.detail : undefined; // as Airflow's own API says it
  throw new Problem(answer.status, said.problem ?? detail ?? `Airflow answered with ${answer.status}`,
    said.remedy ?? REMEDIES[answer.status] ?? "");
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

/** What to show when an answer is a problem; `again`, if there is one, is what another try does. */
export function problemBox(error, again) {
  if (error.status === undefined) console.error(error);
  const told = error.status === undefined ? "This page has a fault" : error.message;
  const remedy = error.status === undefined ? "Reload it; if that does not help, report this" : error.remedy;
  return el("div", { class: "box problem", role: "alert" },
    el("p", {}, el("strong", {}, `${told}.`), remedy ? ` ${remedy}.` : ""),
    error.status === 401 ? airflowLink("auth/login", "Log in") : again && el("button", { type: "button", onclick: again }, "Try again"));
}

/** What to show where there is nothing, with a next step. */
export const emptyBox = (told, ...next) => el("div", { class: "box" }, el("p", {}, el("strong", {}, told)), el("p", {}, next));
