"""Campaign's connection and metadata: what is wrong is said at once, with who must do what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from campaign_sync.errors import RefusedError
from campaign_sync.hooks.campaign import CampaignHook
from campaign_sync.hooks.ims import SCOPES, scopes_of

from tests.hooks.conftest import FakeTime, campaign_connection
from tests.sandbox_process import Sandbox

pytestmark = pytest.mark.sandbox


@pytest.fixture
def connected(sandbox: Sandbox, connect: Callable[..., None], clock: FakeTime) -> Callable[..., CampaignHook]:
    """Makes a hook from the sandbox's connection, changed as a test wants."""

    def make(extra: dict[str, Any] | None = None, **changes: Any) -> CampaignHook:
        connection = campaign_connection(sandbox.env, **(extra or {}))
        connect("campaign_default", **{**connection, **changes})
        return CampaignHook()

    return make


@pytest.fixture
def declare(sandbox: Sandbox) -> Iterator[Callable[..., None]]:
    def resources(**asked: Any) -> None:
        sandbox.control("POST", "/sandbox/campaign/resources", asked)

    yield resources
    sandbox.control("POST", "/sandbox/reset")


@pytest.mark.parametrize("form", ["{root}", "{root}/", "{root}/campaign", "{root}/campaign/"])
def test_the_host_may_be_written_in_every_usual_form(
    connected: Callable[..., CampaignHook], sandbox: Sandbox, form: str
) -> None:
    root = sandbox.env["CAMPAIGN_URL"].removesuffix("/campaign")
    assert connected(host=form.format(root=root)).test_connection()[0]


@pytest.mark.parametrize(
    ("changes", "extra", "words"),
    [
        ({"password": "wrong"}, {}, "Correct the connection's password"),
        ({"login": "wrong"}, {}, "Correct the connection's login"),
        ({"login": None}, {}, "Set the client id as login"),
        ({"password": ""}, {}, "client secret as password"),
        ({"host": ""}, {}, "Set its host"),
        ({}, {"scopes": "openid,unheard_of"}, "Copy the scopes"),
        ({}, {"verify": "/nowhere/ca.pem"}, "does not exist on this machine"),
        ({}, {"verify": True}, "not trusted on this machine"),
        ({}, {"ims_url": "http://ims.example"}, "not an https address"),
    ],
)
def test_a_wrong_connection_says_who_must_do_what(
    connected: Callable[..., CampaignHook], changes: dict[str, Any], extra: dict[str, Any], words: str
) -> None:
    works, sentence = connected(extra, **changes).test_connection()
    assert not works
    assert words in sentence


def test_a_missing_connection_is_refused_with_who_must_do_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_CAMPAIGN_DEFAULT", raising=False)
    with pytest.raises(RefusedError, match="the connection campaign_default does not exist") as caught:
        CampaignHook().resource("profile")
    assert "AIRFLOW_CONN_CAMPAIGN_DEFAULT" in caught.value.remedy


def test_a_wrong_organisation_is_known_by_the_gateways_answer(
    connected: Callable[..., CampaignHook], sandbox: Sandbox
) -> None:
    root = sandbox.env["CAMPAIGN_URL"].removesuffix("/alderleaf/campaign")
    assert "Check the organisation" in connected(host=f"{root}/nobody").test_connection()[1]
    assert "has no organisation" in connected(host=root).test_connection()[1]
    assert "has no organisation" in connected(host=f"{root}/campaign").test_connection()[1]


def test_scopes_may_be_a_list_or_text_with_any_spacing() -> None:
    assert scopes_of("openid, AdobeID ,campaign_sdk,") == "openid,AdobeID,campaign_sdk"
    assert scopes_of(["openid", "AdobeID"]) == "openid,AdobeID"
    assert scopes_of(None) == scopes_of("") == ",".join(SCOPES)


def test_fields_have_the_types_of_the_metadata(connected: Callable[..., CampaignHook]) -> None:
    profile = connected().resource("profile")
    fields = profile.fields
    assert profile.endpoint == "profileAndServicesExt/profile"
    assert (fields["email"].type, fields["email"].length) == ("string", 128)
    assert (fields["firstName"].length, fields["externalId"].length) == (30, 100)
    assert (fields["birthDate"].type, fields["lastModified"].type) == ("date", "datetime")
    assert (fields["gender"].type, fields["gender"].values) == ("enumeration", ("unknown", "male", "female"))
    assert (fields["age"].type, fields["age"].read_only) == ("integer", True)
    assert (fields["blackListEmail"].type, fields["subscriptions"].type) == ("boolean", "collection")
    assert (fields["location"].type, fields["location.city"].type) == ("item", "string")
    assert fields["location.city"].name == "location.city"
    assert fields["country"].type == "link"
    assert not fields["email"].read_only
    assert not fields["location.city"].read_only


def test_enumerations_may_be_a_list(connected: Callable[..., CampaignHook], sandbox: Sandbox) -> None:
    sandbox.control("PUT", "/sandbox/switches/campaign.values_shape", {"value": "list"})
    try:
        assert connected().resource("profile").fields["gender"].values == ("unknown", "male", "female")
    finally:
        sandbox.control("PUT", "/sandbox/switches/campaign.values_shape", {"value": "map"})


def test_an_unknown_resource_says_what_was_probably_meant(connected: Callable[..., CampaignHook]) -> None:
    with pytest.raises(RefusedError, match="Did you mean profile"):
        connected().resource("profiles")


def test_an_unpublished_ext_api_is_named(
    connected: Callable[..., CampaignHook], declare: Callable[..., None]
) -> None:
    declare(ext=False)
    with pytest.raises(RefusedError, match="Create the Profiles & Services Ext API"):
        connected().resource("profile")


def test_an_unlinked_resource_is_found_among_the_custom_resources(
    connected: Callable[..., CampaignHook], declare: Callable[..., None]
) -> None:
    declare(
        resource="cusSite",
        fields={"siteId": {"type": "string", "length": 36}},
        keys={"siteKey": {"fields": ["siteId"]}},
    )
    site = connected().resource("cusSite")
    assert site.endpoint == "customResources/cusSite"
    assert site.fields["siteId"].length == 36
