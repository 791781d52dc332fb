"""One run from window to report: extract, guard, plan, load, settle, reconcile; beside it preview, `check --live` and
what the watcher looks for.
"""
