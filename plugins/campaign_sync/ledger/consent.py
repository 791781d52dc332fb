"""Consent: what each side says about each opt-out attribute of a contact, and what was told (O3, O4).

Not for deciding who is told what (``consent/rule.py``). Flags and times by contact id: no other data of a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Select, delete, exists, func, literal, select, tuple_, update

from campaign_sync.consent.rule import Known, Said
from campaign_sync.ledger.database import Database, insert_into
from campaign_sync.ledger.frames import key_columns
from campaign_sync.ledger.tables import UNDECIDED, consents, heard_in_full, parked, read_in_full, rejections
from campaign_sync.ledger.tables import staged_consents as staged
from campaign_sync.ledger.tables import staged_keys as wanted
from campaign_sync.ledger.waiting import due_query, late_query, looked_at, waiting_query
from campaign_sync.schema import OPT_OUTS

if TYPE_CHECKING:
    import pyarrow as pa

DYNAMICS, CAMPAIGN, NOBODY = "dynamics", "campaign", ""

WRITERS_LOCK = 0xC0_25E27  # any number: with a flow's, the same for whoever writes its consents

_KEY = ("flow", "source_key", "attribute")
_TOLD = (
    consents.c.dynamics_no, consents.c.dynamics_at, consents.c.campaign_no, consents.c.campaign_at, consents.c.agreed,
    consents.c.ours, consents.c.told_at, consents.c.whose,
)  # fmt: skip


class Kept(NamedTuple):
    """What is kept of one attribute of one contact."""

    known: Known
    told_at: datetime | None = None  # when a side was last told something
    whose: str = NOBODY  # whose word that was: DYNAMICS, CAMPAIGN; NOBODY: nothing was told


class Entry(NamedTuple):
    """An attribute of a contact, for people."""

    attribute: str
    kept: Kept
    mapping_sha: str
    run_id: str
    updated_at: datetime


class Consents:
    """The table of consents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, flow: str, keys: Iterable[str]) -> dict[str, dict[str, Kept]]:
        """What is kept of these contacts, by contact and attribute; what nobody has spoken of is absent."""
        with self._database.read() as connection:
            return self._known(connection, flow, keys)

    def contact(self, flow: str, key: str) -> list[Entry]:
        """Every attribute of one contact, in order."""
        with self._database.read() as connection:
            return entries_of(connection, flow, key)

    def keep(
        self,
        flow: str,
        run_id: str,
        mapping_sha: str,
        rows: Iterable[tuple[str, str, Kept]],
        now: datetime,
        *,
        read: Mapping[str, Mapping[str, Kept]],
        settled: Collection[str] = (),
    ) -> set[str]:
        """Keeps contact, attribute and what is known of it, in one transaction.

        Returns the contacts of whom another run has kept something since: of them nothing is kept or settled, as it may
        know a no that this one does not.

        :param read: what was known when it was decided, by contact and attribute; every contact is in it.
        :param settled: contacts that are neither rejected nor parked any more.
        """
        with self._writing(flow) as connection:
            known = self._known(connection, flow, read)
            overtaken = {key for key, was in read.items() if known.get(key, {}) != was}
            self._stage(connection, (row for row in rows if row[0] not in overtaken))
            insert = insert_into(connection, consents).from_select(
                [each.name for each in consents.columns], self._staged(flow, run_id, mapping_sha, now)
            )
            changed = {
                each.name: insert.excluded[each.name] for each in consents.columns if each.name not in _KEY
            }
            connection.execute(insert.on_conflict_do_update(index_elements=_KEY, set_=changed))
            self._clear(connection, flow, {*settled} - overtaken, (rejections, parked))
        return overtaken

    def born(
        self, flow: str, run_id: str, mapping_sha: str, rows: Iterable[tuple[str, str]], at: datetime
    ) -> None:
        """Keeps contact and attribute of profiles that were made with a no for Dynamics' sake, unless Campaign has said
        something about it. What Dynamics is known to say stays.

        :param flow: the flow of the mapping of opt-outs.
        :param at: the time of the POST.
        """
        said = Known(Said(None, None), Said(True, at), agreed=True, ours=True)
        with self._writing(flow) as connection:
            self._stage(connection, ((key, attribute, Kept(said, at, DYNAMICS)) for key, attribute in rows))
            insert = insert_into(connection, consents).from_select(
                [each.name for each in consents.columns], self._staged(flow, run_id, mapping_sha, at)
            )
            heard = {*_KEY, "dynamics_no", "dynamics_at"}
            changed = {
                each.name: insert.excluded[each.name] for each in consents.columns if each.name not in heard
            }
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=_KEY, set_=changed, where=consents.c.campaign_no.is_(None)
                )
            )

    def remove(self, flow: str, keys: Iterable[str]) -> None:
        """Forgets contacts that are gone, also as rejected or parked ones."""
        with self._writing(flow) as connection:
            self._clear(connection, flow, keys, (consents, rejections, parked))

    def is_empty(self, flow: str) -> bool:
        """Whether nobody's consent is known."""
        with self._database.read() as connection:
            return not connection.execute(select(exists().where(consents.c.flow == flow))).scalar()

    def undecided(self, flow: str, limit: int) -> list[str]:
        """Contacts with a yes that waits for a person, in order."""
        query = select(consents.c.source_key).where(consents.c.flow == flow, UNDECIDED)
        with self._database.read() as connection:
            ordered = query.distinct().order_by(consents.c.source_key).limit(limit)
            return [str(key) for key in connection.scalars(ordered)]

    def longest_undecided(self, flow: str, limit: int) -> list[tuple[str, datetime]]:
        """Each yes that waits for a person, the one first that waits longest: the contact, and since when."""
        query = select(consents.c.source_key, consents.c.updated_at).where(consents.c.flow == flow, UNDECIDED)
        ordered = query.order_by(consents.c.updated_at, consents.c.source_key).limit(limit)
        with self._database.read() as connection:
            return [(key, since) for key, since in connection.execute(ordered)]

    def contacts(self, flow: str) -> int:
        """Of how many contacts something is known."""
        query = select(func.count(consents.c.source_key.distinct())).where(consents.c.flow == flow)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def attributes(self, flow: str, among: Iterable[str] = OPT_OUTS) -> set[str]:
        """Those of these attributes of which something is known; at once, unless one is not known at all."""
        with self._database.read() as connection:
            return {
                each
                for each in among
                if connection.execute(
                    select(exists().where(consents.c.flow == flow, consents.c.attribute == each))
                ).scalar()
            }

    def read_in_full(self, flow: str) -> str | None:
        """The digest of the filter and the replacements with which all rows were read last; None: they never were."""
        query = select(read_in_full.c.passing).where(read_in_full.c.flow == flow)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def keep_read_in_full(self, flow: str, run_id: str, passing: str, now: datetime) -> None:
        """Remembers that all rows were read with this filter and these replacements, by their digest."""
        row = {"flow": flow, "passing": passing, "run_id": run_id, "read_at": now}
        with self._database.write() as connection:
            insert = insert_into(connection, read_in_full).values(row)
            connection.execute(insert.on_conflict_do_update(index_elements=["flow"], set_=row))

    def due(self, flow: str, limit: int, now: datetime) -> list[str]:
        """The contacts who could not be told and are to be looked at again, the longest not looked at first."""
        with self._database.read() as connection:
            return list(connection.execute(due_query(flow, now, limit)).scalars())

    def looked_at(self, flow: str, mapping_sha: str, keys: Iterable[str], now: datetime) -> None:
        """Remembers of contacts that were rejected or parked that this version of the mapping has looked at them, to no
        avail.
        """
        with self._database.write() as connection:
            self._database.stage(connection, wanted, key_columns(keys))
            for statement in looked_at(flow, mapping_sha, now):
                connection.execute(statement)

    def waiting(self, flow: str) -> tuple[int, datetime | None]:
        """How many contacts wait to be told a no, and since when the first of them."""
        with self._database.read() as connection:
            count, since = connection.execute(waiting_query(flow)).one()
            return count, since

    def late(self, flow: str, before: datetime) -> list[str]:
        """The contacts who have waited since before a time to be told a no, though it could be, the longest first."""
        with self._database.read() as connection:
            return list(connection.execute(late_query(flow, before)).scalars())

    def unheard(self, flow: str, meanings: Mapping[str, str]) -> set[str]:
        """The attributes of which no run that ended well has heard both sides in full, as they are paired now.

        :param meanings: how Dynamics says no, by attribute.
        """
        query = select(heard_in_full.c.attribute, heard_in_full.c.meaning)
        with self._database.read() as connection:
            rows = connection.execute(query.where(heard_in_full.c.flow == flow)).all()
        heard = {(attribute, meaning) for attribute, meaning in rows}
        return {attribute for attribute, meaning in meanings.items() if (attribute, meaning) not in heard}

    def unhear(self, flow: str, attributes: Iterable[str]) -> None:
        """Forgets what Dynamics said of these attributes, as it said that in another column, or before nobody listened:
        both sides are heard together for the first time. What Campaign said stays, as its noes may stand nowhere else.
        """
        among = consents.c.attribute.in_([*attributes])
        said = consents.c.dynamics_no.is_not(None)
        nothing = update(consents).values(dynamics_no=None, dynamics_at=None)
        with self._writing(flow) as connection:
            connection.execute(nothing.where(consents.c.flow == flow, among, said))

    def hear_in_full(
        self, flow: str, run_id: str, heard: Iterable[str], meanings: Mapping[str, str], now: datetime
    ) -> None:
        """Remembers that these attributes were heard in full.

        :param meanings: how Dynamics says no, for all attributes of the mapping. A pair that is no longer so is
            forgotten, as nobody listens to what is said of it from now on.
        """
        row = {"flow": flow, "run_id": run_id, "heard_at": now}
        rows = [row | {"attribute": each, "meaning": meanings[each]} for each in sorted(heard)]
        unpaired = tuple_(heard_in_full.c.attribute, heard_in_full.c.meaning).not_in([*meanings.items()])
        with self._database.write() as connection:
            connection.execute(delete(heard_in_full).where(heard_in_full.c.flow == flow, unpaired))
            if rows:
                insert = insert_into(connection, heard_in_full).values(rows)
                connection.execute(insert.on_conflict_do_nothing())

    @contextmanager
    def _writing(self, flow: str) -> Iterator[Connection]:
        """A connection that nobody else writes consents of this flow beside, so that what it reads of them stays true.
        Of SQLite there is one writer anyway.
        """
        with self._database.write() as connection:
            if self._database.postgres:
                connection.execute(select(func.pg_advisory_xact_lock(WRITERS_LOCK, func.hashtext(flow))))
            yield connection

    def _known(self, connection: Connection, flow: str, keys: Iterable[str]) -> dict[str, dict[str, Kept]]:
        found: dict[str, dict[str, Kept]] = {}
        self._database.stage(connection, wanted, key_columns(keys))
        query = select(consents.c.source_key, consents.c.attribute, *_TOLD).where(
            consents.c.flow == flow, consents.c.source_key.in_(select(wanted.c.source_key))
        )
        for row in connection.execute(query):
            found.setdefault(row[0], {})[row[1]] = _kept(row[2:])
        wanted.drop(connection)
        return found

    def _stage(self, connection: Connection, rows: Iterable[tuple[str, str, Kept]]) -> None:
        self._database.stage(connection, staged, _columns(rows, zoned=self._database.postgres))

    @staticmethod
    def _staged(flow: str, run_id: str, mapping_sha: str, now: datetime) -> Select[Any]:
        """The staged rows as rows of the table; the condition is for SQLite, to which ON would belong to a join."""
        fixed = {"flow": flow, "run_id": run_id, "mapping_sha": mapping_sha, "updated_at": now}
        given = [
            literal(fixed[each.name], each.type) if each.name in fixed else staged.c[each.name]
            for each in consents.columns
        ]
        return select(*given).where(staged.c.source_key.is_not(None))

    def _clear(self, connection: Connection, flow: str, keys: Iterable[str], tables: Iterable[Any]) -> None:
        self._database.stage(connection, wanted, key_columns(keys))
        for table in tables:
            gone = table.c.source_key.in_(select(wanted.c.source_key))
            connection.execute(delete(table).where(table.c.flow == flow, gone))


def entries_of(connection: Connection, flow: str, key: str) -> list[Entry]:
    """Every attribute of one contact, in order."""
    more = (consents.c.mapping_sha, consents.c.run_id, consents.c.updated_at)
    query = select(consents.c.attribute, *more, *_TOLD)
    query = query.where(consents.c.flow == flow, consents.c.source_key == key)
    rows = connection.execute(query.order_by(consents.c.attribute)).all()
    return [Entry(row[0], _kept(row[4:]), *row[1:4]) for row in rows]


def _kept(told: Sequence[Any]) -> Kept:
    """What is kept, from the columns ``_TOLD``."""
    dynamics_no, dynamics_at, campaign_no, campaign_at, agreed, ours, told_at, whose = told
    known = Known(Said(dynamics_no, dynamics_at), Said(campaign_no, campaign_at), agreed, ours)
    return Kept(known, told_at, whose)


def _columns(rows: Iterable[tuple[str, str, Kept]], *, zoned: bool) -> dict[str, pa.Array]:
    """The columns of ``staged_consents``, in the order of the key, so that two writers do not block each other."""
    import pyarrow as pa

    once = {(key, attribute): kept for key, attribute, kept in rows}
    cells = [list(_cells(*place, once[place], zoned=zoned)) for place in sorted(once)]
    kinds = {name: pa.bool_() for name in ("dynamics_no", "campaign_no", "agreed", "ours")}
    columns = zip(*cells, strict=True) if cells else [()] * len(staged.columns)
    return {
        each.name: pa.array(column, kinds.get(each.name, pa.string()))
        for each, column in zip(staged.columns, columns, strict=True)
    }


def _cells(key: str, attribute: str, kept: Kept, *, zoned: bool) -> Iterator[Any]:
    dynamics, campaign, agreed, ours = kept.known
    yield from (
        key,
        attribute,
        dynamics.no,
        _text(dynamics.at, zoned),
        campaign.no,
        _text(campaign.at, zoned),
    )
    yield from (agreed, ours, _text(kept.told_at, zoned), kept.whose)


def _text(moment: datetime | None, zoned: bool) -> str | None:
    """A time as it is stored: SQLite keeps it as a text without its zone, which is UTC."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime(f"%Y-%m-%d %H:%M:%S.%f{'+00' if zoned else ''}")
