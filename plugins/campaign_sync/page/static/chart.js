// The latest runs as bars: rows above, seconds below. The table beside it says the same in words.

import { el } from "./element.js";
import { FATES } from "./tally.js";
import { duration, number } from "./words.js";

const [WIDTH, ROWS, GAP, TIMES, MOST] = [640, 90, 10, 40, 30];

/** A chart of runs, the latest on the right. */
export function runsChart(runs) {
  const shown = runs.filter((run) => run.ended).slice(0, MOST).reverse();
  if (shown.length < 2) return el("p", {});
  const rows = shown.map((run) => run.tally?.extracted ?? 0);
  const seconds = shown.map((run) => (new Date(run.ended) - new Date(run.started)) / 1000);
  const most = { rows: Math.max(...rows, 1), seconds: Math.max(...seconds, 1) };
  const step = WIDTH / Math.max(shown.length, 10);
  const told = `The latest ${shown.length} runs: at most ${number(most.rows)} rows and ${duration(most.seconds)}.`;
  const bars = shown.map((run, at) => el("g", {},
    stacked(run.tally ?? {}, at * step, step - 2, most.rows),
    rect(at * step, ROWS + GAP, step - 2, (seconds[at] / most.seconds) * TIMES, run.state === "failed" ? "bad" : "time"),
    el("title", {}, `${run.run_id}: ${number(rows[at])} rows, ${duration(seconds[at])}, ${run.state}`)));
  return el("figure", {},
    el("svg", { viewBox: `0 0 ${WIDTH} ${ROWS + GAP + TIMES}`, role: "img", "aria-label": told, class: "chart", preserveAspectRatio: "none" },
      el("line", { x1: 0, x2: WIDTH, y1: ROWS, y2: ROWS, class: "axis" }),
      el("line", { x1: 0, x2: WIDTH, y1: ROWS + GAP, y2: ROWS + GAP, class: "axis" }), bars),
    el("figcaption", { class: "quiet" }, `Rows above, time below. ${told}`));
}

function stacked(tally, x, width, most) {
  let top = ROWS;
  return FATES.filter((fate) => tally[fate]).map((fate) => {
    const height = (tally[fate] / most) * ROWS;
    top -= height;
    return rect(x, top, width, height, fate);
  });
}

const rect = (x, y, width, height, name) => el("rect", { x, y, width, height, class: name });
