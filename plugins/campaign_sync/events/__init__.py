"""What Campaign sent and what people did with it, as activities on the timeline of the contact (E1–E6).

A run from beginning to end, by module:

    vocabulary, file         the words of a mapping
    flow, operators          its DAG; setting: what a run works with, as it was when the run began
    extract                  files (``exports``) and events that waited → batches
    log_file, judging        a file → rows; a row → which event, if any (kinds); frames
    run, activities          filter, map, replace, check → the bodies of activities; contacts, tasks
    reconcile, reasons       counts, files put away, report

Beside it: live (`check --live`), preview, tables (what `setup dynamics` makes).
Not for rows that go to Campaign (``run``); batches, hooks and ledger are shared with them.
"""
