// The room's address in Airflow's own address bar, so that a reload, or a link that somebody sends, opens the room again.

/** Shows it there, where Airflow has a place for it: behind its own address of the page. */
export function showAddress() {
  if (parent === window || !parent.location.pathname.endsWith(`/plugin/campaign-sync${location.pathname}`)) return;
  if (parent.location.hash === location.hash) return;
  const { state } = parent.history;
  parent.history.replaceState(state, "", parent.location.pathname + location.hash);
  parent.dispatchEvent(new parent.PopStateEvent("popstate", { state })); // else Airflow's router would not know
}
