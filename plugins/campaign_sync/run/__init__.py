"""One run from window to report: extract, the steps, plan, load, reconcile."""
