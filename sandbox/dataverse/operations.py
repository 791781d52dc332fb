"""Unbound functions and actions: WhoAmI, totals, typed metadata, publishing, BulkDelete, option values."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.dataverse import definitions
from sandbox.dataverse import org as organisation
from sandbox.dataverse.columns import Column, Option, Table
from sandbox.dataverse.descriptions import describe_table, describe_typed, label_text
from sandbox.dataverse.errors import Refusal, not_imitated, refuse
from sandbox.dataverse.messages import JSON_TYPE, Answer, Ask
from sandbox.dataverse.odata import Parser
from sandbox.dataverse.rights import demand
from sandbox.dataverse.store import physical
from sandbox.dataverse.writes import delete

if TYPE_CHECKING:
    from sandbox.dataverse.org import Org

_DAY = 86_400


def find(name: str) -> Callable[[Org, Ask], Answer] | None:
    """The handler of an operation; the wrong verb is a 404 of its own (§8)."""
    if name not in _OPERATIONS:
        return None
    verb, handler = _OPERATIONS[name]

    def run(org: Org, ask: Ask) -> Answer:
        if ask.method != verb:
            raise refuse("NoHttpResource", url=ask.url)
        return handler(org, ask)

    return run


def _who_am_i(org: Org, ask: Ask) -> Answer:
    context = f"{org.root}/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse"
    ids = {
        "BusinessUnitId": organisation.BUSINESS_UNIT,
        "UserId": ask.caller.id,
        "OrganizationId": organisation.ORGANIZATION,
    }
    return Answer.of({"@odata.context": context, **ids}, Content_Type=JSON_TYPE)


def _version(org: Org, ask: Ask) -> Answer:
    context = f"{org.root}/$metadata#Microsoft.Dynamics.CRM.RetrieveVersionResponse"
    return Answer.of({"@odata.context": context, "Version": "9.2.26051.00000"}, Content_Type=JSON_TYPE)


def _total_record_count(org: Org, ask: Ask) -> Answer:
    """A snapshot up to 24 hours old (§3.2): taken when first asked."""
    inside = ask.segments[0].inside or ""
    _, _, raw = inside.partition("=")
    names = [item.value for item in Parser(ask.options.aliases.get(raw.strip(), raw.strip())).value().value]
    counts = []
    for name in names:
        table = org.table(name)
        demand(org, ask.caller, table, "read")
        known = org.counts.get(name)
        if known is None or org.timestamp() - known[0] > _DAY:
            with org.store.read() as db:
                number = db.execute(f"SELECT count(*) FROM {physical(name)}").fetchone()[0]
            known = org.counts[name] = (org.timestamp(), number)
        counts.append(known[1])
    context = f"{org.root}/$metadata#Microsoft.Dynamics.CRM.RetrieveTotalRecordCountResponse"
    collection = {"Count": len(names), "IsReadOnly": False, "Keys": names, "Values": counts}
    return Answer.of(
        {"@odata.context": context, "EntityRecordCountCollection": collection}, Content_Type=JSON_TYPE
    )


def _metadata_changes(org: Org, ask: Ask) -> Answer:
    """RetrieveMetadataChanges by LogicalName: typed columns in one answer, as Microsoft's SDK asks."""
    raw = (ask.segments[0].inside or "").partition("=")[2].strip()
    try:
        query = json.loads(ask.options.aliases.get(raw, raw))
    except ValueError:
        raise refuse("QuerySyntax", text="The parameter 'Query' is not valid JSON.") from None
    wanted = _names(query.get("Criteria"))
    tables = [table for table in org.catalogue.tables.values() if wanted is None or table.name in wanted]
    answer = []
    for table in tables:
        shown = _chosen(describe_table(table), query.get("Properties"))
        asked = (query.get("Properties") or {}).get("PropertyNames")
        if asked is None or "Attributes" in asked:
            shown["Attributes"] = _columns(org, table, query.get("AttributeQuery") or {})
        answer.append(shown)
    context = f"{org.root}/$metadata#Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse"
    body = {
        "@odata.context": context,
        "ServerVersionStamp": org.catalogue.version(),
        "DeletedMetadata": None,
        "EntityMetadata": answer,
    }
    return Answer.of(body, Content_Type=JSON_TYPE)


def _columns(org: Org, table: Table, query: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = _names(query.get("Criteria"))
    found = [column for column in table.columns.values() if wanted is None or column.name in wanted]
    return [_chosen(describe_typed(org, table, column), query.get("Properties")) for column in found]


def _names(criteria: dict[str, Any] | None) -> set[str] | None:
    conditions = (criteria or {}).get("Conditions") or []
    if not conditions:
        return None
    names = set()
    for condition in conditions:
        if condition.get("PropertyName") != "LogicalName" or condition.get("ConditionOperator") != "Equals":
            raise not_imitated("conditions of RetrieveMetadataChanges other than LogicalName Equals")
        names.add(condition["Value"]["Value"])
    return names


def _chosen(content: dict[str, Any], properties: dict[str, Any] | None) -> dict[str, Any]:
    names = (properties or {}).get("PropertyNames")
    if names is None:
        return content
    return {name: value for name, value in content.items() if name in (*names, "@odata.type", "MetadataId")}


def _create_entities(org: Org, ask: Ask) -> Answer:
    for definition in ask.json("CreateEntities").get("Entities") or []:
        definitions.create_table(org, definition)
    return Answer(204)


def _publish(org: Org, ask: Ask) -> Answer:
    """PublishXml and PublishAllXml: unpublished definitions take effect (§9.4)."""
    xml = (
        str(ask.json("PublishXml").get("ParameterXml", "")) if ask.segments[0].name == "PublishXml" else None
    )
    for table in list(org.catalogue.tables.values()):
        named = xml is None or f"<entity>{table.name}</entity>" in xml
        if named and "unpublished_tracking" in table.extra:
            extra = {name: value for name, value in table.extra.items() if name != "unpublished_tracking"}
            org.catalogue.put(replace(table, extra=extra))
    return Answer(204)


def _bulk_delete(org: Org, ask: Ask) -> Answer:
    """An asynchronous job (§6.3); only `key In (…)` is imitated, which is what Microsoft's SDK sends."""
    work = []
    for query in ask.json("BulkDelete").get("QuerySet") or []:
        table = org.table(str(query.get("EntityName")))
        demand(org, ask.caller, table, "delete")
        conditions = (query.get("Criteria") or {}).get("Conditions") or []
        if (
            len(conditions) != 1
            or conditions[0].get("Operator") != "In"
            or conditions[0].get("AttributeName") != table.key
        ):
            raise not_imitated("BulkDelete with conditions other than one list of primary keys")
        work += [(table, str(value["Value"]).lower()) for value in conditions[0]["Values"]]

    def job() -> None:
        for table, row_id in work:
            try:
                with org.store.write() as tx:
                    delete(org, tx, table, row_id)
            except Refusal:
                continue  # the job goes on with the other rows

    org.jobs.append((org.timestamp() + float(org.option("bulk_delete_seconds")), job))
    org.jobs.sort(key=lambda entry: entry[0])
    context = f"{org.root}/$metadata#Microsoft.Dynamics.CRM.BulkDeleteResponse"
    return Answer.of({"@odata.context": context, "JobId": str(uuid.uuid4())}, Content_Type=JSON_TYPE)


def _column_of(org: Org, body: dict[str, Any]) -> tuple[Table, Column]:
    table = org.table(str(body.get("EntityLogicalName")))
    column = table.columns.get(str(body.get("AttributeLogicalName")))
    if column is None or not column.options:
        raise refuse("MetadataNotFound", name=str(body.get("AttributeLogicalName")))
    return table, column


def _option_value(org: Org, ask: Ask) -> Answer:
    """InsertOptionValue, UpdateOptionValue, DeleteOptionValue, InsertStatusValue, on local choices (§9.3)."""
    body, action = ask.json("OptionSet"), ask.segments[0].name
    table, column = _column_of(org, body)
    value = body.get("Value")
    others = tuple(option for option in column.options if option.value != value)
    if action in ("InsertOptionValue", "InsertStatusValue"):
        if value is None:
            value = (
                max(
                    [option.value for option in column.options if option.value >= 512_340_000],
                    default=512_339_999,
                )
                + 1
            )
        elif len(others) != len(column.options):
            raise refuse("InvalidArgument", text=f"The option {value} exists already.")
        options = (*column.options, Option(value, label_text(body.get("Label")), body.get("StateCode")))
    elif len(others) == len(column.options):
        raise refuse("InvalidArgument", text=f"The option {value} does not exist.")
    elif action == "UpdateOptionValue":
        texts = {value: label_text(body.get("Label"))}
        options = tuple(replace(o, label=texts.get(o.value, o.label)) for o in column.options)
    else:
        options = others
    org.catalogue.put(table.with_column(replace(column, options=options)))
    if action.startswith("Insert"):
        context = f"{org.root}/$metadata#Microsoft.Dynamics.CRM.{action}Response"
        return Answer.of({"@odata.context": context, "NewOptionValue": value}, Content_Type=JSON_TYPE)
    return Answer(204)


def _left_out(org: Org, ask: Ask) -> Answer:
    raise not_imitated(f"the operation {ask.segments[0].name}")


_OPERATIONS: dict[str, tuple[str, Callable[[Org, Ask], Answer]]] = {
    "WhoAmI": ("GET", _who_am_i),
    "RetrieveVersion": ("GET", _version),
    "RetrieveTotalRecordCount": ("GET", _total_record_count),
    "RetrieveMetadataChanges": ("GET", _metadata_changes),
    "CreateEntities": ("POST", _create_entities),
    "PublishXml": ("POST", _publish),
    "PublishAllXml": ("POST", _publish),
    "BulkDelete": ("POST", _bulk_delete),
    **dict.fromkeys(
        ("InsertOptionValue", "UpdateOptionValue", "DeleteOptionValue", "InsertStatusValue"),
        ("POST", _option_value),
    ),
    **dict.fromkeys(
        ("OrderOption", "CreateCustomerRelationships", "ReactivateEntityKey", "Merge", "ExecuteWorkflow"),
        ("POST", _left_out),
    ),
}
