// A question before something is done, or something to look at: a modal dialog that gives the focus back.

import { problemBox } from "./airflow.js";
import { el, tell } from "./element.js";

let made = 0;

/**
 * Shows a dialog until it is closed, or the room is left (`signal`).
 *
 * `act` is the word of the button that does it; `work(form)` does it and closes the dialog, unless it throws a Problem,
 * which is shown. Without `act`, it is only looked at. `opener` is the id of what gets the focus back.
 */
export function dialog({ title, content, act, work, signal, opener = document.activeElement?.id }) {
  const name = `dialog-${++made}`;
  const trouble = el("div", {});
  const close = () => shown.close();
  const doing = act ? el("button", { type: "submit", class: "main" }, act) : null;
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); go(); } },
    el("h2", { id: name }, title), content, trouble,
    el("div", { class: "acts" }, el("button", { type: "button", onclick: close }, act ? "Cancel" : "Close"), doing));
  const shown = el("dialog", { "aria-labelledby": name, onclose: () => {
    shown.remove();
    document.getElementById(opener)?.focus(); // by its name: the room may have drawn it anew
  } }, form);

  async function go() {
    doing.disabled = true;
    trouble.replaceChildren();
    try {
      await work(form);
      close();
    } catch (error) {
      trouble.replaceChildren(problemBox(error));
    }
    doing.disabled = false;
  }

  signal.addEventListener("abort", close, { once: true });
  tell(""); // what was done before is no answer to this
  document.body.append(shown);
  shown.showModal();
  return shown;
}

/** Does something at once; a problem is shown in a dialog. */
export async function attempt(title, work, signal) {
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) dialog({ title, content: problemBox(error), signal });
  }
}
