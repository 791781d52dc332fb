// The room "Preview": an edited mapping against live rows. It shows people's data to whoever may edit the flow.

import { act, ask, emptyBox, problemBox } from "./airflow.js";
import { el, replace, say, table } from "./element.js";
import { number, plural } from "./words.js";

/** Shows the room; `asked` may name a flow and keys. */
export function showPreview(asked, room) {
  document.title = "Preview – Campaign sync";
  room.keep(async (signal) => {
    const { flows } = await ask("flows", {}, signal);
    const known = flows.filter((flow) => flow.direction !== "both" && (!asked.flow || flow.flow === asked.flow));
    const usable = flows.filter((flow) => flow.direction !== "both" && flow.may.pause).map((flow) => flow.flow);
    if (known.some((flow) => flow.may.pause)) draw(usable, asked, room, signal);
    else replace(room.place, el("h1", {}, "Preview"), cannot(known));
    return Infinity;
  });
}

const cannot = (known) => (known.length
  ? emptyBox(`A preview needs the right to edit the DAG of ${known.length === 1 ? known[0].flow : "its flow"}, which you do not have.`,
    "It shows values of people. Ask an administrator of Airflow for the right, or somebody who has it.")
  : emptyBox("There is no flow to preview, or none that you may read.", "Opt-outs have a dry run instead."));

function draw(flows, asked, room, signal) {
  const form = editor(flows, asked);
  const results = el("div", { class: "results", id: "results" });
  const { flow, text } = form.elements;
  replace(room.place, el("h1", {}, "Preview"),
    el("p", {}, "Change the mapping here and see what a run would do with live rows. Nothing is written, and the file stays as it is. What you look at is noted in Airflow's audit log."),
    form, results);
  const begin = async () => {
    text.disabled = true;
    replace(results);
    try {
      const file = await ask(`flows/${encodeURIComponent(flow.value)}/mapping`, {}, signal);
      text.value = file.text;
    } catch (error) {
      text.value = "";
      if (error.name !== "AbortError") replace(results, problemBox(error, begin));
    } finally {
      text.disabled = false;
    }
  };
  const look = async () => {
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    results.setAttribute("aria-busy", "true");
    replace(results, el("p", { class: "quiet" }, "Reading rows; this takes some seconds …"));
    say("Reading rows");
    try {
      const keys = form.elements.keys.value.split(/[\s,;]+/).filter(Boolean);
      const question = { text: text.value, keys, limit: Number(form.elements.limit.value) };
      const told = await act(`flows/${encodeURIComponent(flow.value)}/preview`, question);
      const title = el("h2", { tabindex: -1 }, told.problems.length ? "This mapping cannot be used yet" : heading(told.rows));
      replace(results, title, told.problems.length ? problems(told.problems, text) : shown(told));
      title.focus({ preventScroll: true }); // read out; and shown, as it is below a long text
      title.scrollIntoView();
    } catch (error) {
      if (error.name !== "AbortError") replace(results, problemBox(error, look));
    } finally {
      results.setAttribute("aria-busy", "false");
      button.disabled = false;
    }
  };
  flow.addEventListener("change", begin);
  form.addEventListener("submit", (event) => { event.preventDefault(); look(); });
  begin();
}

function editor(flows, asked) {
  const field = (text, input, broad) => el("label", { class: broad ? "field broad" : "field" }, el("span", {}, text), input);
  return el("form", { class: "search", "aria-label": "Mapping" },
    field("Flow", el("select", { name: "flow" }, flows.map((flow) => el("option", { value: flow, selected: asked.flow === flow }, flow)))),
    field("Keys, if certain rows", el("input", { name: "keys", value: asked.keys ?? "", autocomplete: "off", spellcheck: "false", placeholder: "none: the first rows" })),
    field("Rows", el("input", { name: "limit", type: "number", min: 1, max: 20, value: 5, required: true })),
    field("Mapping", el("textarea", { name: "text", rows: 18, spellcheck: "false", autocapitalize: "off", maxlength: 102_400, required: true }), true),
    el("button", { type: "submit" }, "Preview"));
}

function problems(found, text) {
  const go = (line) => () => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  };
  return el("div", { class: "box problem" },
    table("What is wrong with the mapping", [
      { head: "Line", number: true, cell: (each) => (each.line ? el("button", { type: "button", onclick: go(each.line), "aria-label": `Go to line ${each.line}` }, String(each.line)) : "–") },
      { head: "Key", cell: (each) => el("code", {}, each.key || "–") },
      { head: "Problem", cell: (each) => each.problem },
      { head: "What to do", cell: (each) => each.remedy },
    ], found));
}

function heading(rows) {
  const fates = [...new Set(rows.map((row) => row.fate))].map((fate) => `${fate} ${number(rows.filter((row) => row.fate === fate).length)}`);
  return `${plural(rows.length, "row")}${rows.length ? `: ${fates.join(", ")}` : ""}`;
}

function shown({ rows, notes }) {
  const told = notes.map((note) => el("p", { class: "quiet" }, note));
  if (!rows.length) return [told, emptyBox("There is no such row.", "Leave the keys empty to see the first rows of the source.")];
  return [told, rows.map(one)];
}

function one(row) {
  const why = [row.rule, row.reason].filter(Boolean).join(": ");
  return el("section", { class: "box", "aria-label": row.key },
    el("h3", {}, el("code", {}, row.key), " ", el("span", { class: `badge of-${row.fate}` }, row.fate)),
    why ? el("p", {}, why) : null,
    row.file ? el("p", { class: "quiet" }, row.file) : null,
    table(`Fields of ${row.key}`, [
      { head: "Source", cell: (cell) => el("code", {}, cell.source || "–") },
      { head: "Is", cell: (cell) => cell.was },
      { head: "Target", cell: (cell) => el("code", {}, cell.target) },
      { head: "Becomes", cell: (cell) => cell.becomes ?? el("span", { class: "quiet" }, "not written") },
    ], row.cells));
}
