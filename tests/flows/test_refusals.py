"""N5: a permanent error fails at once, says what, where and who must do what; nothing is lost, nothing is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.flows.real_airflow import FLOW, RealAirflow, Run
from tests.flows.systems import Systems

MARKER = "Quillfeather"
WRONG_SECRET = "sWrongSecret~never.tell"


class Refusal(NamedTuple):
    """Something that stands in the way, and the words that a run must say about it."""

    what: str
    breaks: Callable[[RealAirflow, Systems], None]
    says: tuple[str, ...]  # what, where, what to do


def _stranger_to_campaign(airflow: RealAirflow, systems: Systems) -> None:
    # Known to IMS, without Campaign's product profile (campaign.md §1.5, 403023).
    secret = json.loads((systems.sandbox.directory / "secrets.json").read_text())["campaign_stranger"]
    airflow.connect("campaign", login="5f2c8d31a9e04b76b0c1d2e3f4a50002", password=secret)


def _wrong_organisation(airflow: RealAirflow, systems: Systems) -> None:
    host = systems.sandbox.env["CAMPAIGN_URL"].replace("/alderleaf/", "/elderleaf/")
    airflow.connect("campaign", host=host)


def _wrong_api_key(airflow: RealAirflow, systems: Systems) -> None:
    systems.fault(system="campaign", times=None, do="status", status=403,
                  body={"error_code": "403003", "message": "Api Key is invalid"})  # fmt: skip


def _tracking_off(airflow: RealAirflow, systems: Systems) -> None:
    systems.control("PUT", "/sandbox/dataverse/table", {"table": "contact", "change_tracking": False})


def _unpublished_ext(airflow: RealAirflow, systems: Systems) -> None:
    systems.control("POST", "/sandbox/campaign/resources", {"ext": False})


def _no_read_privilege(airflow: RealAirflow, systems: Systems) -> None:
    systems.control("PUT", "/sandbox/dataverse/privileges", {"table": "contact", "read": "none"})


def _edit(old: str, new: str) -> Callable[[RealAirflow, Systems], None]:
    return lambda airflow, systems: airflow.edit(old, new)


REFUSALS = [
    Refusal(
        "wrong Dataverse secret",
        lambda airflow, systems: airflow.connect("dataverse", password=WRONG_SECRET),
        ("client secret is wrong", "Entra ID /", "7000215", "into the connection's password"),
    ),
    Refusal(
        "unknown tenant",
        lambda airflow, systems: airflow.connect(
            "dataverse", extra={"tenant_id": "7d1c0000-0000-4000-8000-0000000000ff"}
        ),
        ("tenant is unknown", "Entra ID /", "tenant_id in the connection's extra"),
    ),
    Refusal(
        "wrong Campaign secret",
        lambda airflow, systems: airflow.connect("campaign", password=WRONG_SECRET),
        ("client secret is wrong", "Adobe IMS /ims/token/v3", "Correct the connection's password"),
    ),
    Refusal(
        "wrong API key",
        _wrong_api_key,
        ("API key is not subscribed", "status 403", "Adobe Developer Console"),
    ),
    Refusal(
        "no product profile",
        _stranger_to_campaign,
        (
            "no product profile for this organisation",
            "code 403023",
            "Adobe Developer Console",
            "product profile",
        ),
    ),
    Refusal(
        "wrong organisation",
        _wrong_organisation,
        ("does not know the organisation", "Campaign /elderleaf/", "https://mc.adobe.io/<organisation>"),
    ),
    Refusal(
        "no application user",
        lambda airflow, systems: systems.switch(dataverse__application_user=False),
        ("not a user of this environment", "0x80072560", "Power Platform admin center"),
    ),
    Refusal(
        "no read privilege",
        _no_read_privilege,
        ("lacks the right to read", "Dataverse /api/data/v9.2/contacts", "security role"),
    ),
    Refusal(
        "change tracking off",
        _tracking_off,
        ("change tracking is off", "table contact", "Track changes", "python -m campaign_sync setup"),
    ),
    Refusal(
        "unknown table", _edit("table: contact", "table: contract"), ("'contract'", "Did you mean contact")
    ),
    Refusal(
        "unknown column",
        _edit("salutation:   salutation", "salutation:   salutatoin"),
        (f"{FLOW}.yaml:", "salutatoin", "Did you mean salutation"),
    ),
    Refusal(
        "unknown resource",
        _edit("resource: profile", "resource: profil"),
        ("'profil'", "Did you mean profile"),
    ),
    Refusal(
        "unknown field",
        _edit("salutation:   salutation", "salutatoin:   salutation"),
        (f"{FLOW}.yaml:", "salutatoin", "salutation"),
    ),
    Refusal(
        "a key that is not the table's own id",
        _edit("externalId:   {from: contactid, key: true}", "externalId:   {from: employeeid, key: true}"),
        (f"{FLOW}.yaml:", "map.externalId", "the key must be contactid", "{from: contactid, key: true}"),
    ),
    Refusal(
        "Ext API not published",
        _unpublished_ext,
        ("Ext API has not been published", "resource profile", "Administration, Development, Publication"),
    ),
    Refusal(
        "broken mapping file",
        _edit("  table: contact", "  tabel: contact"),
        (f"{FLOW}.yaml:6: extract.tabel", "table"),
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.what)
def test_a_refusal_fails_at_once_says_what_to_do_and_loses_nothing(
    airflow: RealAirflow, systems: Systems, refusal: Refusal
) -> None:
    airflow.begin()
    place, mapping, profiles = airflow.place(), airflow.mapping.read_text(), systems.profiles()
    changed = sorted(profiles)[0]
    systems.change({"id": changed, "lastname": MARKER})
    systems.add(firstname="Nora", lastname=MARKER, emailaddress1=f"nora@{MARKER}.example")

    refusal.breaks(airflow, systems)
    run = airflow.run()
    assert run.state == "failed"
    for words in refusal.says:
        assert words in run.errors, run.errors
    assert_quiet(airflow, run)
    assert airflow.place() == place
    assert systems.profiles() == profiles

    airflow.connect("dataverse")
    airflow.connect("campaign")
    airflow.mapping.write_text(mapping)
    mend(systems)
    again = airflow.run()
    assert again.ok, again.errors
    assert again.tally == {"extracted": 2, "updated": 1, "created": 1}
    assert not systems.differences()


def mend(systems: Systems) -> None:
    """Put right what a refusal broke in the systems."""
    systems.heal()
    systems.switch(dataverse__application_user=True)
    systems.control("PUT", "/sandbox/dataverse/privileges", {"reset": True})
    systems.control("PUT", "/sandbox/dataverse/table", {"table": "contact", "change_tracking": True})
    systems.control("POST", "/sandbox/campaign/resources", {"ext": True})


def assert_quiet(airflow: RealAirflow, run: Run) -> None:
    """Neither a secret nor a person stands in what a run said."""
    env = airflow.sandbox_env
    secrets = (env["DATAVERSE_CLIENT_SECRET"], env["CAMPAIGN_CLIENT_SECRET"], WRONG_SECRET, MARKER)
    told = run.log.lower() + run.errors.lower()
    assert not [secret for secret in secrets if secret.lower() in told]
    assert "bearer ey" not in told


def test_a_resource_without_an_identification_key_stops_after_one_record(
    airflow: RealAirflow, systems: Systems
) -> None:
    """Every later update would miss its record and make a second one (campaign.md §3.5)."""
    resources = "/sandbox/campaign/resources"
    systems.control("POST", resources, {"resource": "profile", "keys": {"externalIdKey": None}})
    run = airflow.run()
    assert not run.ok
    for words in ("externalId is not an identification key of profile", "A Campaign administrator"):
        assert words in run.errors
    assert len(systems.profiles()) == 1
    assert systems.engine_calls() == 2

    systems.control(
        "POST", resources, {"resource": "profile", "keys": {"externalIdKey": {"fields": ["externalId"]}}}
    )
    again = airflow.walk()
    assert again.ok, again.errors
    assert not systems.differences()


def test_a_missing_connection_is_not_a_thing_to_try_again(
    airflow: RealAirflow, systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CAMPAIGN_DEFAULT")
    run = airflow.run()
    assert (
        "RefusedError: Campaign connection campaign_default: the connection campaign_default does not"
        in run.errors
    )
    assert "Admin → Connections" in run.errors
    airflow.connect("campaign")
    assert airflow.walk().ok
    assert not systems.differences()


def test_a_broken_mapping_harms_no_other_flow(airflow: RealAirflow, systems: Systems) -> None:
    (airflow.mappings / "accounts_to_nowhere.yaml").write_text("extract:\n  table: account\nlaod: {}\n")
    broken = airflow.run("accounts_to_nowhere")
    assert broken.tasks == {"mapping_error": "failed"}
    assert "accounts_to_nowhere.yaml:3: laod" in broken.errors
    assert airflow.run().ok
    assert not systems.differences()


def test_a_lost_place_is_told_and_never_means_starting_from_zero(
    airflow: RealAirflow, systems: Systems
) -> None:
    airflow.begin()
    airflow.forget_place()
    systems.forget()
    run = airflow.run()
    assert not run.ok
    assert "its place in the change feed is lost" in run.errors
    assert systems.writes() == []
    assert airflow.run(replay=True).ok
    assert airflow.walk().tally == {}
