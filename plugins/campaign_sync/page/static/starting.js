// Start, pause and unpause a flow: Airflow's own API does it. Buttons are there only for those who may.

import { airflowApi } from "./airflow.js";
import { attempt, dialog } from "./dialog.js";
import { el, tell } from "./element.js";

const dag = (flow, rest = "") => `dags/${encodeURIComponent(flow)}${rest}`;

const LONG = {
  to_campaign: "Every row is read and sent again, whether it changed or not: one engine call for each record. Values that were corrected in Campaign are overwritten.",
  both: "Both sides are read in full again, and told what is missing. What agrees costs nothing.",
};

/** The buttons of a flow; null where there is nothing that the person may do. */
export function flowButtons(flow, room) {
  if (flow.status === "broken") return null;
  const button = (what, text, work) =>
    el("button", { type: "button", class: "small", id: `${what}-${flow.flow}`, "aria-label": `${text} ${flow.flow}`, onclick: work }, text);
  const shown = [
    flow.may.start && !flow.paused && button("start", "Start", () => attempt(`${flow.flow} was not started`, () => start(flow, {}, room), room.left.signal)),
    flow.may.start && !flow.paused && button("choose", "Start with choices …", () => choose(flow, room)),
    flow.may.pause && button("pause", flow.paused ? "Unpause" : "Pause", () => pause(flow, room)),
  ].filter(Boolean);
  return shown.length ? el("div", { class: "acts", role: "group", "aria-label": `What you may do with ${flow.flow}` }, shown) : null;
}

async function start(flow, conf, room) {
  await airflowApi(dag(flow.flow, "/dagRuns"), "POST", { logical_date: null, conf });
  tell(`${flow.flow}: started.${flow.progress ? " It begins when the run that is under way has ended." : ""}`);
  room.look();
}

function pause(flow, room) {
  const paused = !flow.paused;
  attempt(`${flow.flow} was not ${paused ? "paused" : "unpaused"}`, async () => {
    await airflowApi(dag(flow.flow, "?update_mask=is_paused"), "PATCH", { is_paused: paused });
    tell(`${flow.flow}: ${paused ? "paused. A run that is under way goes on to its end" : "unpaused. It goes on from its place"}.`);
    room.look();
  }, room.left.signal);
}

/** Asks what to read, with the words of the flow's own form. */
function choose(flow, room) {
  attempt(`${flow.flow} was not started`, async () => {
    const { params = {} } = await airflowApi(dag(flow.flow, "/details"));
    const form = Object.fromEntries(Object.entries(params ?? {}).map(([name, param]) => [name, { title: param.schema?.title ?? name, told: param.description }]));
    const long = form.replay && LONG[flow.direction];
    const radio = (value, title, told) => el("label", { class: "choice" },
      el("input", { type: "radio", name: "what", value, checked: value === "changes" }), ` ${title}`, told ? el("span", { class: "quiet" }, told) : null);
    const time = (name) => el("label", { class: "field" }, el("span", {}, `${form[name].title} (your own time)`),
      el("input", { type: "datetime-local", name }));
    const content = [
      el("fieldset", { class: "choices" }, el("legend", {}, "What to read"),
        radio("changes", flow.direction === "to_dynamics" ? "The files that are there" : "What has changed"),
        form.replay ? radio("replay", `Everything again (${form.replay.title})`, long || form.replay.told) : null,
        form.since && form.until ? radio("between", "What was modified between two times", "It is sent again, whether it changed or not: one engine call for each record.") : null),
      form.since && form.until ? el("div", { class: "search times", hidden: true }, time("since"), time("until")) : null,
      form.dry_run ? el("label", { class: "choice" }, el("input", { type: "checkbox", name: "dry_run" }), ` ${form.dry_run.title}`,
        el("span", { class: "quiet" }, form.dry_run.told)) : null,
    ];
    if (room.left.signal.aborted) return;
    const shown = dialog({ title: `Start ${flow.flow}`, content, act: "Start", signal: room.left.signal,
      work: (asked) => start(flow, confOf(new FormData(asked)), room) });
    shown.addEventListener("change", () => {
      const asked = new FormData(shown.querySelector("form"));
      const times = shown.querySelector(".times");
      if (times) {
        times.hidden = asked.get("what") !== "between";
        for (const input of times.querySelectorAll("input")) input.required = !times.hidden;
      }
      const all = asked.get("what") === "replay" && !asked.get("dry_run");
      shown.querySelector("[type=submit]").textContent = all ? "Read everything again" : "Start";
    });
  }, room.left.signal);
}

function confOf(asked) {
  const conf = {};
  if (asked.get("what") === "replay") conf.replay = true;
  if (asked.get("what") === "between") for (const name of ["since", "until"]) conf[name] = new Date(asked.get(name)).toISOString();
  if (asked.get("dry_run")) conf.dry_run = true;
  return conf;
}
