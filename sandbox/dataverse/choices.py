"""Every switch of the imitated Dataverse: what no source confirms, and what a test may want otherwise.

The default is the harsher choice. Not the place for behaviour: modules read the switch where it matters.
"""

from __future__ import annotations

from sandbox.dataverse.errors import CATALOGUE
from sandbox.switches import declare

YES_NO = (True, False)


def _say(name: str, default: object, choices: tuple[object, ...] | None, meaning: str, source: str) -> None:
    declare(f"dataverse.{name}", default, choices, meaning, f"dataverse.md {source}")


def _who_may_enter() -> None:
    _say("refuse_bearer", False, YES_NO, "every bearer token is refused with 401", "§12.2/2")
    _say("application_user", True, YES_NO, "the application user exists; else 403 0x80072560", "§12.2/2")
    _say("privileges", True, YES_NO, "the role is looked at; else everything is allowed", "§12.2/2")
    _say("resource_id_in_401", True, YES_NO, "WWW-Authenticate ends in resource_id=…", "§1.3")
    _say("empty_401_body", True, YES_NO, "a 401 has no body", "§1.3")


def _query() -> None:
    _say(
        "segment_code", "0x80060888", ("0x80060888", "0x8006088a"), "code of 'Resource not found for…'", "§8"
    )
    _say("property_code", "0x80060888", ("0x80060888", "0x0"), "code of 'Could not find a property…'", "§8")
    _say("eq_wildcards", True, YES_NO, "% and _ are wildcards in eq and ne too", "§3.2")
    _say("ne_keeps_nulls", False, YES_NO, "`x ne 1` keeps the rows whose x is null", "§3.2")
    _say("count_capped", True, YES_NO, "/$count answers 5000 at most", "§3.2")
    _say(
        "enum_needs_namespace", True, YES_NO, "metadata filters refuse enum values without namespace", "§9.1"
    )


def _change_tracking() -> None:
    _say("expire_days", -1, None, "change tracking window in days; -1: the organization row says it", "§4.5")
    _say("annotations_lose_delta_link", True, YES_NO, "formatted values make the deltaLink disappear", "§4.4")
    _say("count_with_tracking", "refused", ("refused", "answered"), "$count=true while tracking", "§4.4")

    _say(
        "deleted_then_recreated",
        "both",
        ("both", "net"),
        "a row deleted and created again is in the delta as row and as deletion, or as row only",
        "§4.3",
    )
    _say("publish_tracking", True, YES_NO, "turning tracking on takes effect with PublishXml only", "§9.4")


def _writes() -> None:
    _say(
        "same_value_writes",
        "bump",
        ("bump", "ignore"),
        "a write of equal values bumps version and modifiedon",
        "§5",
    )
    _say("empty_text", "null", ("null", "kept"), '"" in a text column is stored as null', "§11")
    _say("numeric_strings", "refused", ("refused", "accepted"), 'numbers sent as text ("12")', "§11")
    _say(
        "value_property_in_body", "refused", ("refused", "ignored"), "_x_value in a request body", "§12.1/11"
    )
    _say("inactive_updates", "accepted", ("refused", "accepted"), "updates of inactive contacts", "§10.1")
    _say(
        "closed_task_updates",
        "refused",
        ("refused", "accepted"),
        "updates of completed or cancelled tasks",
        "§10.2",
    )
    _say(
        "fullname_order", "first last", ("first last", "last, first"), "how fullname is put together", "§10.1"
    )
    _say("email_format", "free", ("free", "checked"), "format of e-mail columns", "§10.1")
    _say("preferredcontactmethod_default", 1, None, "default of preferredcontactmethodcode; 0: none", "§10.1")
    _say(
        "encoded_key_characters",
        "fail",
        ("fail", "work"),
        "percent-encoded / < > * % & : \\ ? + in a key value",
        "§5",
    )
    _say("bulk_duplicates", "refused", ("refused", "accepted"), "one row twice in one bulk message", "§6.1")
    _say("custom_activity_bulk", False, YES_NO, "custom activity tables have the bulk messages", "§6.1")
    _say("batch_keeps_earlier", True, YES_NO, "what a $batch did before its first failure stays", "§6.2")
    _say("bulk_delete_seconds", 5.0, None, "how long a BulkDelete job takes to begin", "§6.3")


def _definitions() -> None:
    _say("column_visibility_seconds", 3.0, None, "how long a new column is unknown to the data API", "§9.3")
    _say("key_index_seconds", 10.0, None, "how long the index of a new alternate key takes", "§5")
    _say(
        "activity_without_attributes",
        True,
        YES_NO,
        "an activity table may be posted without Attributes",
        "§9.2",
    )
    _say(
        "activity_state_on_create",
        "ignored",
        ("ignored", "stored"),
        "statecode in the create of a custom activity, for tables made from then on",
        "§10.3",
    )


def _limits() -> None:
    _say("limits", True, YES_NO, "the service protection limits are on", "§7")
    _say("limit_requests", 6000, None, "requests per user, server and window", "§7")
    _say("limit_execution_ms", 1_200_000, None, "execution time per user, server and window", "§7")
    _say("limit_concurrent", 52, None, "requests at the same time per user and server", "§7")
    _say("limit_window_seconds", 300, None, "length of the sliding window", "§7")
    _say("servers", 1, None, "web servers; each counts for itself, the affinity cookie chooses one", "§7")
    _say("dop_hint", 4, None, "x-ms-dop-hint", "§7")
    _say("request_seconds", 0.0, None, "how long each request takes, at least", "§7")
    _say("execution_ms_added", 0, None, "milliseconds added to what each request is charged", "§7")
    _say("affinity_cookie", "ARRAffinity", None, "name of the affinity cookie", "§7")
    _say(
        "sql_error",
        "none",
        ("none", "GenericSqlError", "SqlTimeout", "TransactionRolledBack", "WorkerLimit", "ResourceLock"),
        "every write fails with this error of the database",
        "§7",
    )
    _say("plugin_says", "", None, "every write is refused by a plug-in that says this; empty: none", "§8")
    _say(
        "failing_rows",
        "",
        None,
        "ids of the rows in which `sql_error` and `plugin_says` hold; empty: all",
        "§7",
    )


def _statuses() -> None:
    statuses = (400, 401, 403, 404, 405, 409, 410, 412, 413, 414, 422, 500, 503)
    for name, entry in CATALOGUE.items():
        if not entry.confirmed:
            _say(
                f"status.{name}", entry.status, statuses, f"HTTP status of {entry.code or name}", entry.source
            )


for _group in (_who_may_enter, _query, _change_tracking, _writes, _definitions, _limits, _statuses):
    _group()
