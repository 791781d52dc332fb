"""What Campaign sent and what people did with it, as activities on the timeline of the contact (E1–E6).

Not for rows that go to Campaign (``run``); files, batches, hooks and ledger are the same.
"""
