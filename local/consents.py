"""What people say about consent while the demonstration runs: to Dynamics through the sandbox's controls, to Campaign
through its API, as a preference page would; and the export workflow that tells it.

Not for what should become of it (`expected_opt_outs`).
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any, NamedTuple

from local.changes import NEWCOMER
from local.expected_opt_outs import PAIRS, Word
from local.sandbox_api import SandboxApi

FLOW = "opt_outs"
#: As docs/opt_outs.md has it; without a scheduler, as the demonstration has no day.
WORKFLOW: dict[str, Any] = {"id": "WKF101", "kind": "optout", "state": "started", "every_minutes": 0}
EMAIL, PHONE, POST = "blackListEmail", "blackListPhone", "blackListPostalMail"


class Story(NamedTuple):
    """A person whose consent somebody should look at."""

    contact: str
    what: str


class Consents:
    """Who said what since the first run was about to begin, and whose story that is."""

    def __init__(self, sandbox: SandboxApi) -> None:
        self.began: list[dict[str, Any]] = []  # contacts before the first run
        self.words: list[Word] = []
        self.stories: list[Story] = []
        self._sandbox = sandbox
        self._first = True
        self._refuses = ""  # a contact who said no to Campaign on the first day

    def first_day(self) -> str:
        """Before the first run, two people tell Campaign something else than Dynamics has of them."""
        self.began = self._sandbox.rows("contact")
        self._story(NEWCOMER, "new, with a no in Dynamics: the profile is born with it")
        if contact := self._somebody(PHONE, no=False):
            self._campaign(contact, PHONE, no=True)
            self._refuses = contact
            self._story(contact, "at first sight Campaign says no, Dynamics yes: no wins")
        if contact := self._somebody(EMAIL, no=True):
            self._campaign(contact, EMAIL, no=False)
            self._story(
                contact, "at first sight Dynamics says no, Campaign yes: no wins, although yes was later"
            )
        # The first run hears every profile through the API: the workflow tells what is said from now on.
        self._sandbox.control("POST", "/sandbox/campaign/exports", WORKFLOW | {"last_date": self._now()})
        self._first = False
        return "two people tell Campaign something else than Dynamics has"

    def later(self) -> str:
        """People opt out on either side, and change their minds; Campaign's workflow writes a file.

        Some minutes later than the first load: nobody's yes counts right after our own no (docs/opt_outs.md §2).
        """
        self._sandbox.clock({"advance": 180})
        if contact := self._somebody(POST, no=False):
            self._dynamics(contact, POST, no=True)
            self._story(contact, "an opt-out, Dynamics → Campaign")
        if contact := self._somebody(EMAIL, no=False):
            self._campaign(contact, EMAIL, no=True)
            self._story(contact, "an opt-out, Campaign → Dynamics")
        if contact := self._somebody(EMAIL, no=True):
            self._campaign(contact, EMAIL, no=False)
            self._story(contact, "Campaign's yes is later than Dynamics' no: yes wins")
        if contact := self._somebody(EMAIL, no=True):
            self._campaign(contact, EMAIL, no=False)
            self._dynamics(contact, EMAIL, no=True)
            self._story(contact, "Dynamics' no is later than Campaign's yes: no wins")
        if contact := self._refuses:
            self._dynamics(contact, PHONE, no=False)
            self._story(contact, "Dynamics' yes is later than Campaign's no: no wins")
        return f"some people opt out or in on either side, {self.export()}"

    def export(self) -> str:
        """Have the workflow write its file, and return what it is about."""
        asked = {"id": WORKFLOW["id"], "wait": 60}
        run = self._sandbox.control("POST", "/sandbox/campaign/exports/run", asked)["runs"][-1]
        return f"{run['rows']} profiles that changed in a file"

    def _somebody(self, attribute: str, *, no: bool) -> str:
        """A contact with a profile and no story, of whom both sides know this; "" if there is none."""
        used = {story.contact for story in self.stories}
        known = {row["contactid"]: row for row in self._sandbox.rows("contact")}
        for profile in self._sandbox.records("profile"):
            row = known.get(profile["externalId"])
            if row is None or row["contactid"] in used or profile["@hidden"]:
                continue
            if (profile[attribute] is True) is no and row[PAIRS[attribute]] is no:
                return str(row["contactid"])
        return ""

    def _dynamics(self, contact: str, attribute: str, *, no: bool) -> None:
        self._sandbox.mutate("contact", update=[{"id": contact, PAIRS[attribute]: no}])
        self.words.append(Word(contact, attribute, no, in_campaign=False, before_first_run=self._first))

    def _campaign(self, contact: str, attribute: str, *, no: bool) -> None:
        env = self._sandbox.env
        path = f"/profileAndServicesExt/profile/{urllib.parse.quote(contact, safe='')}"
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "X-Api-Key": env["CAMPAIGN_CLIENT_ID"],
            "Content-Type": "application/json;charset=utf-8",
        }
        self._ask("PATCH", env["CAMPAIGN_URL"] + path, json.dumps({attribute: no}), headers)
        self.words.append(Word(contact, attribute, no, in_campaign=True, before_first_run=self._first))

    def _token(self) -> str:
        env = self._sandbox.env
        form = {
            "grant_type": "client_credentials",
            "client_id": env["CAMPAIGN_CLIENT_ID"],
            "client_secret": env["CAMPAIGN_CLIENT_SECRET"],
            "scope": env["CAMPAIGN_SCOPES"],
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", f"{env['IMS_URL']}/ims/token/v3", urllib.parse.urlencode(form), headers)
        return str(answer["access_token"])

    def _ask(self, method: str, url: str, body: str, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(url, data=body.encode(), method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60, context=self._sandbox.context) as answer:
            return json.load(answer)

    def _now(self) -> str:
        """The sandbox's time, as Campaign writes times."""
        now = str(self._sandbox.control("GET", "/sandbox/clock")["now"])
        return f"{now[:10]} {now[11:19]}.000Z"

    def _story(self, contact: str, what: str) -> None:
        self.stories.append(Story(contact, what))
