// Numbers and times as people read them.

import { el } from "./element.js";

const FORMAT = new Intl.NumberFormat("en");
const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

export const number = (value) => FORMAT.format(value);

/** A number that was counted up to a limit. */
export const counted = ({ rows, more }) => (more ? `more than ${number(rows)}` : number(rows));

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** Seconds as "2 h 5 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const at = UNITS.findIndex(([, size]) => whole >= size);
  if (at < 0) return "0 s";
  const [unit, size] = UNITS[at];
  const smaller = UNITS[at + 1];
  const rest = smaller ? Math.floor((whole % size) / smaller[1]) : 0;
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${smaller[0]}` : ""}`;
}

const zone = () => {
  try {
    return localStorage.getItem("timezone") || undefined; // the one chosen in Airflow's UI
  } catch {
    return undefined;
  }
};

function written(time, options) {
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone() }).format(time);
  } catch {
    return new Intl.DateTimeFormat("en-GB", options).format(time); // a zone that this browser does not know
  }
}

/** A moment, in the time zone chosen in Airflow. */
export function moment(text) {
  if (!text) return "–";
  const whole = written(new Date(text), { dateStyle: "full", timeStyle: "long" });
  return el("time", { datetime: text, title: whole },
    written(new Date(text), { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }));
}

/** How long ago a moment was, or how long it is until then. */
export function distance(text) {
  if (!text) return "–";
  const seconds = (new Date(text) - Date.now()) / 1000;
  const whole = written(new Date(text), { dateStyle: "full", timeStyle: "long" });
  return el("time", { datetime: text, title: whole },
    seconds >= 0 ? `in ${duration(seconds)}` : `${duration(-seconds)} ago`);
}

/** How long something has lasted. */
export const since = (text) => (Date.now() - new Date(text)) / 1000;
