// Light or dark as Airflow is: it marks its root element with a class of that name, and we sit in a frame beside it.

const dark = matchMedia("(prefers-color-scheme: dark)");

function airflows() {
  try {
    return parent === window ? null : parent.document.documentElement;
  } catch {
    return null; // framed by a page that is not Airflow's
  }
}

function chosen() {
  const root = airflows();
  if (root?.classList.contains("dark")) return "dark";
  if (root?.classList.contains("light")) return "light";
  try {
    const kept = localStorage.getItem("theme"); // Airflow keeps it there, for a page that is opened by itself
    if (kept === "dark" || kept === "light") return kept;
  } catch { /* storage is switched off */ }
  return dark.matches ? "dark" : "light";
}

const follow = () => { document.documentElement.className = chosen(); };

/** Follows Airflow's theme from now on. */
export function followTheme() {
  follow();
  dark.addEventListener("change", follow);
  addEventListener("storage", follow);
  const root = airflows();
  if (root) new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["class"] });
}
