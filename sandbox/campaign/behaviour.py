"""The switches of the simulated Campaign: what no source confirms, and what tests want to choose.

Declared at import; the default is the harsher choice. U-numbers are those of campaign.md §13.3.
"""

from __future__ import annotations

from sandbox.switches import declare

declare(
    "campaign.error_envelope", "object", ("object", "string", "text", "html"),
    "how the sentences of back-end errors are wrapped", "campaign.md §13.3 U1",
)  # fmt: skip
declare(
    "campaign.rate_limit", 0, None,
    "calls per second above which the gateway answers 429 with Retry-After; 0: none", "campaign.md §13.3 U2",
)  # fmt: skip
declare(
    "campaign.cool_down_status", 200, (200, 429, 500),
    "HTTP status of the plain text during a signal's cool-down", "campaign.md §13.3 U3",
)  # fmt: skip
declare(
    "campaign.workflow_state_key", "state", ("logicalStatus", "state", "status", "workflowStatus"),
    "the key that carries a workflow's state", "campaign.md §13.3 U4",
)  # fmt: skip
declare(
    "campaign.workflow_state_form", "name", ("name", "label", "number"),
    "how a workflow's state is spelled", "campaign.md §13.3 U4",
)  # fmt: skip
declare(
    "campaign.command_response", "object", ("object", "empty", "no_content"),
    "what a workflow command answers: 200 {}, 200 without a body, 204", "campaign.md §13.3 U5",
)  # fmt: skip
declare(
    "campaign.command_seconds", 20.0, None,
    "seconds on the sandbox's clock until a workflow command takes effect", "campaign.md §7.2",
)  # fmt: skip
declare(
    "campaign.null_scalar", "refuse", ("refuse", "clear"),
    "a JSON null for a field that is not a link", "campaign.md §13.3 U6",
)  # fmt: skip
declare(
    "campaign.null_link", "clear", ("clear", "refuse"),
    "a JSON null for a link", "campaign.md §13.3 U6",
)  # fmt: skip
declare(
    "campaign.signal_parameters_key", "parameters", None,
    "the key that holds a signal's declared parameters", "campaign.md §13.3 U7",
)  # fmt: skip
declare(
    "campaign.link_by_raw_key", "refuse", ("refuse", "resolve"),
    "a business key in the PKey of a link to a custom resource", "campaign.md §13.3 U8",
)  # fmt: skip
declare(
    "campaign.link_by_href", "refuse", ("refuse", "ignore"),
    "an href instead of a PKey in a link", "campaign.md §13.3 U8",
)  # fmt: skip
declare(
    "campaign.hidden_row_status", 404, (404, 500),
    "what GET, PATCH and DELETE of a hidden row answer", "campaign.md §13.3 U9",
)  # fmt: skip
declare(
    "campaign.long_text", "refuse", ("refuse", "cut"),
    "text longer than its field", "campaign.md §13.3 U11",
)  # fmt: skip
declare(
    "campaign.missing_mandatory", "refuse", ("refuse", "accept"),
    "a POST without a mandatory field", "campaign.md §13.3 U11",
)  # fmt: skip
declare(
    "campaign.lowercase_email", False, (False, True),
    "whether Campaign lower-cases e-mail addresses", "campaign.md §13.3 U12",
)  # fmt: skip
declare(
    "campaign.line_count_maximum", 1000, None,
    "the most rows a page has, whatever _lineCount asks for", "campaign.md §13.3 U13",
)  # fmt: skip
declare(
    "campaign.values_shape", "map", ("map", "list"),
    "the shape of an enumeration's values in metadata", "campaign.md §13.3 U20",
)  # fmt: skip
declare(
    "campaign.wrong_tenant", "500", ("500", "502", "400_first"),
    "what the gateway answers for an unknown organisation; 400_first: Bad Request once, then 500",
    "campaign.md §1.5",
)  # fmt: skip
declare(
    "campaign.opt_out_names", "blackList", ("blackList", "denyList"),
    "what the opt-out attributes of a profile are called", "campaign.md §5",
)  # fmt: skip
declare(
    "campaign.opt_out_times", True, (True, False),
    "whether profiles carry the change time of each opt-out attribute", "campaign.md §13.2 B14",
)  # fmt: skip
declare(
    "campaign.big_table_threshold", 100_000, None,
    "rows above which a list has no next page unless _forcePagination=true", "campaign.md §3.3",
)  # fmt: skip
declare(
    "campaign.force_pagination_in_next", "dropped", ("dropped", "carried"),
    "whether next.href repeats _forcePagination=true", "campaign.md §3.3",
)  # fmt: skip
declare(
    "campaign.smart_case", "lower_rest", ("lower_rest", "keep_rest"),
    "what smartCase does to the other letters of a word", "campaign.md §4.3",
)  # fmt: skip
declare(
    "campaign.key_change_by_pkey", "refuse", ("refuse", "accept"),
    "a PATCH by PKey that gives the key field a new value nobody has", "campaign.md §3.5",
)  # fmt: skip
declare(
    "campaign.text_for_other_types", "refuse", ("refuse", "convert"),
    "a JSON string for a number or a boolean, where it could be converted", "campaign.md §4.4",
)  # fmt: skip
declare(
    "campaign.empty_enumeration", "refuse", ("refuse", "clear"),
    "empty text for an enumeration", "campaign.md §4.2",
)  # fmt: skip
declare(
    "campaign.datetime_with_t", "refuse", ("refuse", "accept"),
    "a datetime with T between date and time", "campaign.md §4.2",
)  # fmt: skip
declare(
    "campaign.plain_delete_status", 200, (200, 204),
    "what DELETE of a record answers", "campaign.md §4.1",
)  # fmt: skip
declare(
    "campaign.signal_to_stopped", "lost", ("lost", "refuse"),
    "a signal to a workflow that is not running: silently lost, or 500", "campaign.md §7.3",
)  # fmt: skip
declare(
    "campaign.import_seconds", 5.0, None,
    "seconds on the sandbox's clock from a signal to the first activity of an import", "campaign.md §7.2",
)  # fmt: skip
declare(
    "campaign.import_rows_per_second", 0, None,
    "speed of imports on the sandbox's clock; 0: as fast as the machine", "campaign.md §8.1",
)  # fmt: skip
declare(
    "campaign.import_fails_after", 0, None,
    "rows of a run after which Update data fails, what is written stays; 0: it does not", "campaign.md §8.1",
)  # fmt: skip
declare(
    "campaign.after_import", "started", ("started", "finished"),
    "the state of an import workflow after its End: waiting for the next signal, or ended", "campaign.md §7.1",
)  # fmt: skip
declare(
    "campaign.export_seconds", 0.5, None,
    "seconds on the sandbox's clock over which an export file grows under its own name; 0: it is there whole",
    "campaign.md §9",
)  # fmt: skip
declare(
    "campaign.export_stamp_zone", "Europe/Paris", None,
    "time zone of the stamp in the names of export files", "campaign.md §8.2",
)  # fmt: skip
declare(
    "campaign.export_booleans", "0/1", ("0/1", "true/false", "yes/no"),
    "how booleans are written in export files", "campaign.md §13.3 U14",
)  # fmt: skip
declare(
    "campaign.export_repeats", 0, None,
    "every so many rows of an export one stands there twice; 0: none does", "campaign.md §8.2",
)  # fmt: skip
declare(
    "campaign.log_status_ignored", 0, None,
    "number of the delivery status Not applicable (ignored)", "campaign.md §13.3 U15",
)  # fmt: skip
declare(
    "campaign.log_status_pending", 3, None,
    "number of the delivery status Pending", "campaign.md §13.3 U15",
)  # fmt: skip
declare(
    "campaign.mirror_url", "empty", ("empty", "public"),
    "whether delivery-log rows of mailings have the address of a public mirror page", "campaign.md §13.3 U16",
)  # fmt: skip
declare(
    "campaign.feedback_service", False, (False, True),
    "the Email Feedback Service: mails are Pending first, soft bounces are Failed and may be Sent again",
    "campaign.md §12.2",
)  # fmt: skip
