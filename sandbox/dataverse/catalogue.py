"""Which tables, columns, keys and relationships exist: kept in memory, written to the store on change.

Not the metadata JSON (definitions, metadata) and not the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sandbox.dataverse.builders import relations_of
from sandbox.dataverse.columns import Column, Relation, Table, table_from_json, to_json
from sandbox.dataverse.store import Store
from sandbox.dataverse.tables import stock_tables


class Catalogue:
    """The tables by name and by set name, and the relationships between them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.tables: dict[str, Table] = {}
        self.relations: dict[str, Relation] = {}
        self.option_sets: dict[str, dict] = {}
        self._sets: dict[str, str] = {}
        stored = store.recall_all("table:")
        for table in [table_from_json(data) for data in stored] or stock_tables():
            self._take(table)
        for data in store.recall_all("relation:"):
            self.relations[data["schema"]] = Relation(**data)
        self.option_sets = store.recall("option_sets") or {}
        if not stored:
            for table in list(self.tables.values()):
                self.put(table)
        self.lay_out_views()

    def _take(self, table: Table) -> None:
        self.tables[table.name] = table
        self._sets = {known.set_name: known.name for known in self.tables.values()}

    def put(self, table: Table) -> None:
        """Create or replace a table: its storage, its relationships, its place on disk."""
        with self._store.write():
            if not table.view:
                self._store.lay_out(table)
            self._take(table)
            known = {
                (relation.child, relation.column, relation.parent) for relation in self.relations.values()
            }
            for column in table.columns.values():
                for relation in relations_of(table, column) if column.is_lookup else ():
                    if (relation.child, relation.column, relation.parent) not in known:
                        self.put_relation(relation)
            self._store.remember(f"table:{table.name}", to_json(table))
            self._bump()

    def put_relation(self, relation: Relation) -> None:
        unique = relation
        while unique.schema in self.relations and self.relations[unique.schema].id != relation.id:
            unique = replace(unique, schema=f"{unique.schema}1", collection=f"{unique.collection}1")
        self.relations[unique.schema] = unique
        self._store.remember(f"relation:{unique.schema}", vars(unique))

    def drop_relation(self, schema: str) -> None:
        self.relations.pop(schema, None)
        self._store.forget(f"relation:{schema}")

    def drop(self, table: Table) -> None:
        """Forget a table, its rows and every relationship that touches it."""
        with self._store.write():
            for relation in list(self.relations.values()):
                if table.name in (relation.child, relation.parent):
                    self.drop_relation(relation.schema)
            del self.tables[table.name]
            self._sets = {known.set_name: known.name for known in self.tables.values()}
            self._store.forget(f"table:{table.name}")
            self._store.drop_table(table.name)
            self._bump()
            self.lay_out_views()

    def drop_column(self, table: Table, column: Column) -> None:
        with self._store.write():
            for relation in list(self.relations.values()):
                if (relation.child, relation.column) == (table.name, column.name):
                    self.drop_relation(relation.schema)
            self._store.drop_column(table.name, column)
            keys = tuple(key for key in table.keys if column.name not in key.columns)
            self.put(replace(table.without_column(column.name), keys=keys))

    def put_option_sets(self) -> None:
        self._store.remember("option_sets", self.option_sets)
        self._bump()

    def by_set(self, set_name: str) -> Table | None:
        name = self._sets.get(set_name)
        return self.tables[name] if name else None

    def by_id(self, metadata_id: str) -> Table | None:
        return next((table for table in self.tables.values() if table.id == metadata_id.lower()), None)

    def upward(self, table: str, navigation: str) -> list[Relation]:
        """The relationships that a single-valued navigation property of a table may mean (ownerid: two)."""
        return [r for r in self.relations.values() if r.child == table and r.navigation == navigation]

    def downward(self, table: str, collection: str) -> Relation | None:
        """The relationship behind a collection-valued navigation property."""
        return next(
            (r for r in self.relations.values() if r.parent == table and r.collection == collection), None
        )

    def navigation_of(self, table: str, column: str, target: str) -> str | None:
        return next(
            (
                r.navigation
                for r in self.relations.values()
                if (r.child, r.column, r.parent) == (table, column, target)
            ),
            None,
        )

    def children_of(self, table: str) -> list[Relation]:
        return [r for r in self.relations.values() if r.parent == table and not self.tables[r.child].view]

    def activities(self) -> Iterable[Table]:
        return [table for table in self.tables.values() if table.activity and not table.view]

    def version(self) -> str:
        return str(self._store.recall("metadata"))

    def _bump(self) -> None:
        self._store.remember("metadata", int(self._store.recall("metadata") or 0) + 1)

    def lay_out_views(self) -> None:
        """activitypointer is the union of all activities (§10.3)."""
        view = self.tables.get("activitypointer")
        if view is None:
            return
        names = [name for column in view.columns.values() for name in _stored_names(column)]
        parts = []
        for table in self.activities():
            there = {name for column in table.columns.values() for name in _stored_names(column)}
            chosen = ", ".join(f'"{name}"' if name in there else f'NULL AS "{name}"' for name in names)
            parts.append(f'SELECT {chosen} FROM "t_{table.name}"')
        with self._store.write() as transaction:
            transaction.db.execute('DROP VIEW IF EXISTS "t_activitypointer"')
            transaction.db.execute(f'CREATE VIEW "t_activitypointer" AS {" UNION ALL ".join(parts)}')


def _stored_names(column: Column) -> list[str]:
    return [column.name, f"{column.name}@table"] if column.is_lookup else [column.name]
