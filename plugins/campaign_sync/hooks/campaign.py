"""Reads Campaign's metadata and records, and writes records one call each.

Not for mappings, plans or files: it takes writes and yields outcomes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote, urlsplit

from airflow.providers.http.hooks.http import HttpHook
from requests import Session

from campaign_sync.errors import RefusedError, SyncError
from campaign_sync.hooks import ims
from campaign_sync.hooks.answers import loads
from campaign_sync.hooks.campaign_answers import judge
from campaign_sync.hooks.campaign_keys import KeyStanding, key_standing
from campaign_sync.hooks.campaign_metadata import read_resource
from campaign_sync.hooks.campaign_records import Records, as_records, list_records
from campaign_sync.hooks.campaign_workflows import Workflows
from campaign_sync.hooks.campaign_writes import Unclear, Writer
from campaign_sync.hooks.ending import EndingAdapter
from campaign_sync.hooks.pace import Pace, Patience
from campaign_sync.hooks.parallel import map_bounded
from campaign_sync.hooks.remedies import CAMPAIGN, IMS
from campaign_sync.hooks.rest import Rest
from campaign_sync.hooks.sessions import (
    Bearer,
    address,
    bare,
    existing,
    require_tls,
    verification,
)
from campaign_sync.hooks.shared import InLedger
from campaign_sync.hooks.shares import Terms
from campaign_sync.schema import ResourceSchema
from campaign_sync.writes import Outcome, Write

# campaign.md §1.3
HEADERS = {
    "Accept": "application/json",
    "Cache-Control": "no-cache",
    "Content-Type": "application/json;charset=utf-8",
}
# campaign.md §10: nothing is published, so gently unless the connection says otherwise
PARALLEL = 4
CALLS_PER_SECOND = 10


class CampaignHook(HttpHook):
    """Campaign through the connection's host (https://mc.adobe.io/<organisation>), login and password.

    Extras: ims_url, scopes, verify, proxies; of all tasks together parallel (4) and calls_per_second (10; 0: no limit).
    """

    conn_name_attr = "campaign_conn_id"
    default_conn_name = "campaign_default"
    conn_type = "campaign"
    hook_name = "Adobe Campaign Standard"

    def __init__(self, campaign_conn_id: str = default_conn_name) -> None:
        super().__init__(
            http_conn_id=campaign_conn_id, auth_type=lambda *_: self._bearer, adapter=EndingAdapter(10)
        )
        self._unclear = Unclear()
        self.campaign_conn_id = campaign_conn_id

    def resource(self, name: str) -> ResourceSchema:
        """Reads where a resource is served and which fields it has.

        `fields` has every name a mapping may use, opt-outs under both spellings; `field.name` is the one
        on the wire.
        """
        return read_resource(self._rest, name)

    def write(
        self, resource: ResourceSchema, key_field: str, writes: Iterable[Write], parallel: int | None = None
    ) -> Iterator[Outcome]:
        """Carries out the writes, in parallel, and yields one outcome each as they finish.

        When the run must stop (RefusedError, TransientError; several unclear answers in a row), the writes
        under way finish and their outcomes are yielded before the error is raised.
        """
        threads = parallel or self._parallel
        yield from map_bounded(Writer(self._rest, resource, key_field, self._unclear).write, writes, threads)

    def verify_key(self, resource: ResourceSchema, key_field: str, key: str) -> None:
        """Refuses when a record just written cannot be read back by its business key."""
        if self.read(resource, key) is None:
            problem = (
                f"a record just written is not found by its key: {key_field} is not an identification key of "
                f"{resource.name}, or the record is hidden by organisational units, or by a link of cardinality 1 "
                "that names nobody"
            )
            remedy = (
                f"A Campaign administrator gives {resource.name} an identification key on {key_field} and "
                "publishes; if there is one, gives the product profile of this credential access to all "
                "organisational units, or has orgUnit mapped"
            )
            raise RefusedError("Campaign", f"/{resource.endpoint}/{key}", 404, "", problem, remedy)

    def key_standing(self, resource: ResourceSchema, key_field: str) -> KeyStanding:
        """Finds out, from records that are there, whether a field identifies them: two engine calls at most."""
        return key_standing(self._rest, resource, key_field, partial(self.read, resource))

    def read(self, resource: ResourceSchema, key: str) -> dict[str, Any] | None:
        """Reads one record by its business key; None when there is none to see."""
        answer = self._rest.exchange("GET", f"{self._root}/{resource.endpoint}/{quote(key, safe='')}")
        if judge(answer, ()).meaning == "missing":
            return None
        try:
            found = loads(answer.body) if answer.ok else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._rest.refusal(answer, quote=False)
        return found

    def everything(
        self, resource: ResourceSchema, key_field: str, names: Collection[str]
    ) -> Iterator[Records]:
        """Yields all records that the API shows, page by page, in the fields asked for; an engine call per page.

        Hidden rows are not listed (campaign.md §6.3). A list that ends long before its count, or whose place is given
        up while it is followed, is a TransientError: it has to be read from its beginning again.
        """
        yield from list_records(self._rest, resource, key_field, names)

    def records(
        self, resource: ResourceSchema, key_field: str, names: Collection[str], keys: Collection[str]
    ) -> Records:
        """Reads records by their business keys, in parallel and at an engine call each; those not there are absent."""
        found = map_bounded(lambda key: self.read(resource, key), keys, self._parallel)
        return as_records([each for each in found if each is not None], resource, key_field, names)

    @cached_property
    def workflows(self) -> Workflows:
        """Calls about Campaign's workflows."""
        once = Patience(attempts=1, budget=0)
        bearer, pace = self._bearer, self._rest.pace
        single = Rest(CAMPAIGN, self._root, self.get_conn, bearer=bearer, pace=pace, patience=once)
        return Workflows(self._rest, single)

    def test_connection(self) -> tuple[bool, str]:
        """Says whether the connection works, and if not, who must do what."""
        try:
            profile = self.resource("profile")
        except SyncError as error:
            return False, str(error)
        return True, f"Connected to {self._root}: profile has {len(profile.fields)} fields"

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> Session:
        """Returns a session with the token, and without what HttpHook makes of unknown extras."""
        session = bare(super().get_conn(extra_options=extra_options), self._verify, self._bearer)
        session.headers.update({**HEADERS, **(headers or {})})
        return session

    @cached_property
    def _connection(self) -> Any:
        return existing(self.get_connection, self.http_conn_id, "Campaign")

    @cached_property
    def _extra(self) -> dict[str, Any]:
        return dict(self._connection.extra_dejson)

    @cached_property
    def _parallel(self) -> int:
        return int(self._extra.get("parallel") or PARALLEL)

    @cached_property
    def _root(self) -> str:
        """https://mc.adobe.io/<organisation>/campaign, from either form (campaign.md §1.4)."""
        host = address(self._connection, "Campaign", "https://mc.adobe.io/<organisation>").removesuffix(
            "/campaign"
        )
        if not urlsplit(host).path.strip("/"):
            problem, remedy = (
                "the connection's host has no organisation",
                "Set https://mc.adobe.io/<organisation>",
            )
            raise RefusedError("Campaign", f"connection {self.http_conn_id}", None, "", problem, remedy)
        return f"{host}/campaign"

    @cached_property
    def _verify(self) -> bool | str:
        return verification(self._extra, "Campaign", self._root)

    @cached_property
    def _rest(self) -> Rest:
        given = self._extra.get("calls_per_second")
        terms = Terms(CALLS_PER_SECOND if given is None else float(given), self._parallel)
        pace = Pace(terms, InLedger.of(self._root, str(self._connection.login)))
        return Rest(CAMPAIGN, self._root, self.get_conn, bearer=self._bearer, pace=pace)

    @cached_property
    def _bearer(self) -> Bearer:
        login, password = self._connection.login, self._connection.password
        if not login or not password:
            problem = "the connection lacks login or password"
            remedy = "Set the client id as login and the client secret as password"
            raise RefusedError("Campaign", f"connection {self.http_conn_id}", None, "", problem, remedy)
        url = require_tls(str(self._extra.get("ims_url") or ims.IMS_URL).rstrip("/"), "Adobe IMS")
        rest = Rest(IMS, url, lambda: bare(HttpHook.get_conn(self), self._verify))
        credentials = ims.Credentials(login, password, ims.scopes_of(self._extra.get("scopes")))
        return Bearer(ims.token_source(credentials, rest), self._root, {"X-Api-Key": login})
