"""The words of a mapping file, as models. `filter` is in ``conditions``, `check` in ``expectations``.

Cheap: every DAG file imports it. Not for reading files (``file``), nor for judging the fit (``rows/fitting``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from campaign_sync.mapping.conditions import Filter, conditions, rules
from campaign_sync.mapping.expectations import Check, as_list, columns_named
from campaign_sync.mapping.limits import Guard, Reconcile
from campaign_sync.mapping.recipes import RECIPES
from campaign_sync.mapping.rhythm import Rhythm
from campaign_sync.mapping.wording import (
    CLOSED,
    ColumnName,
    FieldName,
    PlainOrEmpty,
    Wrong,
    meant,
)

#: Rows in a run from which files are used, where an import workflow is named and nothing else is said.
BULK_FROM = 5000


class Extract(BaseModel):
    """What is read from Dataverse."""

    model_config = CLOSED

    table: ColumnName = Field(description="Logical name of the table, such as contact.")
    picklists: Literal["label", "value"] = Field(
        default="label", description="What choice columns carry: the label or the technical value."
    )
    deletes: Literal["apply", "ignore"] = Field(
        default="ignore", description="Whether a deletion in Dynamics deletes in Campaign."
    )


class FieldMapping(BaseModel):
    """Where one target field comes from."""

    model_config = CLOSED

    source: ColumnName = Field(alias="from", description="The source column.")
    using: tuple[StrictStr, ...] = Field(
        default=(),
        description="Recipes applied in this order.",
        json_schema_extra={"items": {"enum": list(RECIPES)}},
    )
    updates: StrictBool = Field(
        default=True, description="false: sent when the record is created, later changes are not."
    )
    key: StrictBool = Field(default=False, description="true for the one field that identifies the record.")
    picklist: Literal["label", "value"] | None = Field(
        default=None, description="Label or technical value; default: extract.picklists."
    )
    link: StrictStr | None = Field(
        default=None,
        description="The mapping file, without .yaml, whose records the lookup names; the field gets the parent's key.",
    )

    @model_validator(mode="after")
    def _a_link_is_the_key_as_it_is(self) -> FieldMapping:
        beside = {"key": self.key, "using": self.using, "picklist": self.picklist}
        for word, given in beside.items() if self.link is not None else ():
            if given:
                problem = f"{word} does not go with link: what is written is the parent's key as it is"
                raise Wrong(
                    problem, f"Remove {word}, or map the column once more to another field", at=(word,)
                )
        return self

    @field_validator("using")
    @classmethod
    def _known_recipes(cls, using: tuple[str, ...]) -> tuple[str, ...]:
        for number, name in enumerate(using):
            if name not in RECIPES:
                raise Wrong(
                    f"no recipe is called {name!r}", meant(name, RECIPES, listing="Recipes"), at=(number,)
                )
        return using


class Replacement(BaseModel):
    """Source value → value to write, for one mapped field."""

    model_config = CLOSED

    values: dict[StrictStr, PlainOrEmpty] = Field(
        description="Source value (as text; an empty text is the empty cell) → value to write."
    )
    otherwise: PlainOrEmpty = Field(
        default="keep", description="For values without an entry: keep, reject, or a value to write."
    )

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or isinstance(raw.get("values"), dict):
            return raw
        entries = {key: value for key, value in raw.items() if key != "otherwise"}
        if not entries:
            raise Wrong("no value is replaced", "Write lines such as  1: male")
        return {"values": entries, "otherwise": raw.get("otherwise", "keep")}


def _a_number_of_rows(value: Any) -> Any:
    if value in ("always", "never") or (type(value) is int and value >= 1):
        return value
    raise Wrong(f"{value!r} is no number of rows", "Write a whole number such as 5000, or always, or never")


BulkFrom = Annotated[
    Literal["always", "never"] | int,
    PlainValidator(
        _a_number_of_rows, json_schema_input_type=Literal["always", "never"] | Annotated[int, Field(ge=1)]
    ),
]


class Load(BaseModel):
    """Where the rows go."""

    model_config = CLOSED

    resource: StrictStr = Field(
        description="API name of the Campaign resource: profile, cusTicket …",
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
    )
    parallel: StrictInt | None = Field(
        default=None, ge=1, le=64, description="REST calls side by side; default: what the connection says."
    )
    import_workflow: StrictStr | None = Field(
        default=None,
        description="Internal name of the Campaign workflow that imports files of this resource: WKF88.",
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
    )
    bulk_from: BulkFrom | None = Field(
        default=None, description="Rows to write in a run from which they go by file: 5000, always, never."
    )

    @model_validator(mode="after")
    def _files_need_a_workflow(self) -> Load:
        if self.import_workflow is None and self.bulk_from not in (None, "never"):
            raise Wrong(
                "files need a workflow in Campaign that imports them",
                "Add import_workflow: with its internal name, such as WKF88 (docs/import_workflow.md)",
                at=("bulk_from",),
            )
        return self

    @property
    def files_from(self) -> int | None:
        """Rows in a run from which they go by file; None: never."""
        if self.import_workflow is None or self.bulk_from == "never":
            return None
        if isinstance(self.bulk_from, int):
            return self.bulk_from
        return 1 if self.bulk_from == "always" else BULK_FROM


class Example(BaseModel):
    """A source row and what becomes of it; `check --live` runs them."""

    model_config = CLOSED

    name: StrictStr = Field(description="What the example shows.")
    given: dict[ColumnName, PlainOrEmpty] = Field(description="A source row; columns left out are empty.")
    loads: dict[FieldName, PlainOrEmpty] | None = Field(
        default=None, description="Fields that would be written, with their values."
    )
    dropped: StrictStr | None = Field(default=None, description="The filter condition that drops the row.")
    rejected: StrictStr | None = Field(default=None, description="The field or check that rejects the row.")

    @model_validator(mode="after")
    def _one_fate(self) -> Example:
        if sum(fate is not None for fate in (self.loads, self.dropped, self.rejected)) != 1:
            raise Wrong("an example has one outcome", "Give it one of: loads, dropped, rejected")
        return self


def _from_name(raw: Any) -> Any:
    return {"from": raw} if isinstance(raw, str) else raw


class Vocabulary(Rhythm):
    """A mapping: one Dataverse table, one Campaign resource, and the way between them."""

    description: StrictStr = Field(description="One sentence for the people who see this flow in Airflow.")
    owner: StrictStr = Field(default="airflow", description="Who is asked when it fails.")
    extract: Extract = Field(description="What is read.")
    filter: Filter | None = Field(
        default=None, description="Which rows are ours to send; without it, every changed row."
    )
    map: dict[
        FieldName,
        Annotated[FieldMapping, BeforeValidator(_from_name, json_schema_input_type=str | FieldMapping)],
    ] = Field(description="Target field: source column.")
    replace: dict[FieldName, Replacement] = Field(
        default={}, description="Source value: value to write, by target field."
    )
    check: tuple[Check, ...] = Field(
        default=(), description="Great Expectations on the mapped rows, before anything is loaded."
    )
    load: Load = Field(description="Where the rows go.")
    guard: Guard = Field(
        default=Guard(deletes="500 or 5%", blanks="500 or 20%", waits="24h"),
        description="How much a run may delete or empty before a person is asked.",
    )
    reconcile: Reconcile = Field(
        default=Reconcile(rejected_at_most=None), description="When a run is good enough."
    )
    examples: tuple[Example, ...] = Field(
        default=(), description="Rows and their outcomes, run by `check --live`."
    )

    @field_validator("map")
    @classmethod
    def _one_key(cls, fields: dict[str, FieldMapping]) -> dict[str, FieldMapping]:
        if not fields:
            raise Wrong("nothing is mapped", "Write lines such as  firstName: firstname")
        keys = [target for target, each in fields.items() if each.key]
        if not keys:
            guess = "externalId" if "externalId" in fields else next(iter(fields))
            raise Wrong(
                "no field is the key",
                f"Mark the one that identifies a record, e.g. {guess}: {{from: …, key: true}}",
            )
        if len(keys) > 1:
            raise Wrong(
                f"two keys, {keys[0]} and {keys[1]}",
                "A record is identified by one field",
                at=(keys[1], "key"),
            )
        return fields

    @field_validator("replace")
    @classmethod
    def _replace_what_is_mapped(
        cls, replace: dict[str, Replacement], info: ValidationInfo
    ) -> dict[str, Replacement]:
        fields: dict[str, FieldMapping] = info.data.get("map") or {}
        for target in replace if fields else ():
            if target not in fields:
                raise Wrong(
                    f"{target} is not mapped", meant(target, fields, listing="Mapped are"), at=(target,)
                )
            if fields[target].key:
                raise Wrong(
                    "the key cannot be replaced", "Map it as it is: records are found by it", at=(target,)
                )
            if fields[target].link is not None:
                raise Wrong(
                    "a link cannot be replaced: what is written is the parent's key as it is",
                    "Remove this entry, or remove link from the field",
                    at=(target,),
                )
        return replace

    @field_validator("check")
    @classmethod
    def _check_what_is_mapped(cls, checks: tuple[Check, ...], info: ValidationInfo) -> tuple[Check, ...]:
        fields: dict[str, FieldMapping] = info.data.get("map") or {}
        for number, check in enumerate(checks):
            for column in columns_named(check.arguments) if fields else ():
                if column not in fields:
                    where = next(name for name, value in check.arguments.items() if column in as_list(value))
                    problem = f"{column} is not a mapped field; checks see the rows as they will be written"
                    mapped = next((target for target, each in fields.items() if each.source == column), None)
                    from_it = f"Did you mean {mapped}, which is mapped from it?"
                    remedy = from_it if mapped else meant(column, fields, listing="Mapped are")
                    raise Wrong(problem, remedy, at=(number, where))
        _unique([each.label for each in checks], [(number,) for number in range(len(checks))], "check")
        return checks

    @field_validator("filter")
    @classmethod
    def _names_tell_apart(cls, filter: Filter | None) -> Filter | None:
        found = list(conditions(filter.root)) if filter else []
        _unique([each.label for _, each in found], [path for path, _ in found], "condition")
        return filter

    @field_validator("examples")
    @classmethod
    def _rules_exist(cls, examples: tuple[Example, ...], info: ValidationInfo) -> tuple[Example, ...]:
        if not {"map", "filter", "check"} <= info.data.keys():
            return examples
        filter, fields = info.data["filter"], info.data["map"]
        drops = rules(filter.root) if filter else []
        rejects = [*fields, *(each.label for each in info.data["check"] if each.otherwise == "reject")]
        for number, example in enumerate(examples):
            for fate, rule, known in (
                ("dropped", example.dropped, drops),
                ("rejected", example.rejected, rejects),
            ):
                if rule is not None and rule not in known:
                    raise Wrong(
                        f"no rule is called {rule!r}", meant(rule, known, listing="Rules"), at=(number, fate)
                    )
            for target in example.loads or ():
                if target not in fields:
                    raise Wrong(
                        f"{target} is not mapped",
                        meant(target, fields, listing="Mapped are"),
                        at=(number, "loads", target),
                    )
        _unique([each.name for each in examples], [(number,) for number in range(len(examples))], "example")
        return examples


def _unique(names: Iterable[str], places: list[tuple[str | int, ...]], what: str) -> None:
    seen: set[str] = set()
    for name, place in zip(names, places, strict=True):
        if name in seen:
            raise Wrong(f"two {what}s are called {name!r}", "Give one of them another name:", at=place)
        seen.add(name)
