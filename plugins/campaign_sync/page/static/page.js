// The frame of the page: which room the address asks for, and that it stays up to date while somebody looks.

import { showAddress } from "./address.js";
import { problemBox } from "./airflow.js";
import { countApprovals, showApprovals } from "./approvals.js";
import { showContact } from "./contact.js";
import { el, tell } from "./element.js";
import { showFlow } from "./flow.js";
import { showFlows } from "./flows.js";
import { showPreview } from "./preview.js";
import { showRows } from "./rows.js";
import { followTheme } from "./theme.js";

const ROOMS = {
  flows: ([flow], asked, room) => (flow ? showFlow(flow, asked, room) : showFlows(room)),
  rows: (path, asked, room) => showRows(asked, room),
  contact: ([key], asked, room) => showContact(key, room),
  approvals: (path, asked, room) => showApprovals(room),
  preview: (path, asked, room) => showPreview(asked, room),
};
const main = document.getElementById("main");

let stay = null; // what ends the room that is open

/** A room: where it stands, and for how long. */
class Room {
  constructor(place) {
    this.place = place;
    this.left = new AbortController();
  }

  /** Calls `work` now, and again so many seconds after it has ended as it says, as long as somebody looks. */
  async keep(work) {
    let trouble = null;
    for (let seconds = 0, shown = false; seconds < Infinity && !this.left.signal.aborted;) {
      try {
        seconds = await work(this.left.signal);
        shown = true;
        trouble?.remove();
      } catch (error) {
        if (this.left.signal.aborted) return;
        trouble?.remove();
        trouble = problemBox(error, open);
        // What was told before stays: it is older, and better than nothing.
        if (shown) this.place.prepend(trouble);
        else this.place.replaceChildren(el("h1", {}, document.title.split(" – ")[0]), trouble);
        if (!shown || error.status === undefined) return;
        seconds = 15;
      } finally {
        this.place.setAttribute("aria-busy", "false");
      }
      if (seconds < Infinity) await this.pause(seconds);
    }
  }

  /** Looks now instead of later: something was done. */
  look() {
    this.wake?.();
  }

  async pause(seconds) {
    await new Promise((go) => { this.wake = go; setTimeout(go, seconds * 1000); });
    while (document.hidden && !this.left.signal.aborted)
      await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
  }
}

function open(event) {
  const [route, query = ""] = (location.hash.replace(/^#\/?/, "") || "flows").split("?");
  const [name, ...path] = route.split("/").filter(Boolean).map(decodeURIComponent);
  const room = ROOMS[name] ?? ROOMS.flows;
  for (const link of document.querySelectorAll("[data-room]"))
    link.dataset.room === (ROOMS[name] ? name : "flows")
      ? link.setAttribute("aria-current", "page")
      : link.removeAttribute("aria-current");
  stay?.left.abort();
  if (stay) tell("");
  const place = el("div", { class: "room", "aria-busy": "true" }, el("p", { class: "quiet" }, "One moment …"));
  main.replaceChildren(place);
  main.removeAttribute("aria-busy");
  stay = new Room(place);
  room(path, Object.fromEntries(new URLSearchParams(query)), stay);
  if (event?.type === "hashchange") main.focus({ preventScroll: true }); // else a reader would stay where the link was
  scrollTo(0, 0);
  showAddress();
}

// The address after # is the room's: the link must not change it.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

followTheme();
addEventListener("hashchange", open);
open();
countApprovals();
