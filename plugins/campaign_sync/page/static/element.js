// Elements from plain values. Text is always text: nothing here, or anywhere on the page, reads HTML from an answer.

const SVG = new Set(["svg", "g", "rect", "path", "line", "text", "title", "desc", "polyline", "circle"]);

/** An element with attributes, `on…` listeners, and children: elements, texts, lists of them; null is left out. */
export function el(name, attributes = {}, ...children) {
  const made = SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [word, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (word.startsWith("on")) made.addEventListener(word.slice(2), value);
    else made.setAttribute(word, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

/** A table whose cells keep their meaning where a narrow screen stacks them. Columns: {head, cell, number}. */
export function table(caption, columns, rows) {
  const heads = columns.map(({ head, number }) =>
    el("th", { role: "columnheader", scope: "col", class: number ? "number" : null }, head));
  const lines = rows.map((row) =>
    el("tr", { role: "row" }, columns.map(({ head, cell, number }) =>
      el("td", { role: "cell", class: number ? "number" : null }, el("span", { class: "label", "aria-hidden": "true" }, head),
        el("div", {}, cell(row))))));
  return el("div", { class: "wide" },
    el("table", { role: "table" },
      el("caption", { class: "unseen" }, caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
      el("tbody", { role: "rowgroup" }, lines)));
}

/** Terms and what they say: pairs of a word and its content; null content is left out. */
export function facts(...pairs) {
  return el("dl", { class: "facts" }, pairs
    .filter(([, content]) => content !== null && content !== undefined)
    .map(([word, content]) => el("div", {}, el("dt", {}, word), el("dd", {}, content))));
}

/** Puts content in the place of what is there; the focus stays where it was, on the element of the same id. */
export function replace(place, ...content) {
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...content.flat(Infinity));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Says something to those who listen to the page instead of looking at it. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Says to everybody what was done; it stays until the next word, or until the room is left. */
export function tell(text) {
  document.getElementById("told").textContent = text;
}
