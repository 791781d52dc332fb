"""campaign.md §12 and B20: a mailing leaves delivery and tracking logs that change and grow for days."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.sandbox.campaign.conftest import EXT, Api
from tests.sandbox.campaign.exporting import add, clock, declare, exported, logs, mail, people

pytestmark = [pytest.mark.sandbox, pytest.mark.rule("campaign.md 13.2/B20")]
DAY = 86400
NONE = {"ignored": 0, "denied": 0, "hard": 0, "hard_later": 0, "soft": 0, "opens": 0, "clicks": 0, "opt_outs": 0,
        "mirrors": 0, "late": 0}  # fmt: skip
BEGUN = "2026-04-12T08:00:00Z"


def states(api: Api) -> Counter[tuple[str, str, str]]:
    return Counter((row["status"], row["failureType"], row["failureReason"]) for row in logs(api))


def test_a_sent_mail_has_a_row_with_the_delivery_and_its_campaign(api: Api) -> None:
    clock(api, "2026-04-12T07:30:00Z")
    campaign = {"name": "2026SpringCruise", "label": "Spring cruise"}
    said = mail(
        api,
        at=BEGUN,
        profiles=people(api, 1),
        shares=NONE,
        delivery={"name": "DM412", "label": "Bow", "campaign": campaign},
    )
    assert said == {"delivery": "DM412", "counts": {"sent": 1}}
    assert logs(api) == []
    clock(api, "2026-04-12T09:00:00Z")  # 100,000 mails take an hour
    (row,) = logs(api)
    assert {name: row[name] for name in ("broadLogId", "externalId", "contactDate", "address", "status")} == {
        "broadLogId": 1, "externalId": "p000000", "contactDate": "2026-04-12 08:00:00.000Z",
        "address": "p000000@alder.example", "status": "sent",
    }  # fmt: skip
    assert (row["deliveryName"], row["deliveryLabel"]) == ("DM412", "Bow")
    assert (row["isProof"], row["variant"]) == (False, "default")
    assert (row["campaignName"], row["campaignLabel"]) == ("2026SpringCruise", "Spring cruise")
    assert "2026-04-12 08:00:00.000Z" <= row["eventDate"] == row["lastModified"] < "2026-04-12 09:00:01"


def test_a_delivery_outside_a_campaign_has_none_and_gets_a_number_of_its_own(api: Api) -> None:
    assert [mail(api, profiles=people(api, 1), shares=NONE)["delivery"], mail(api)["delivery"]] == [
        "DM401",
        "DM402",
    ]
    api.advance(3600)
    assert {(row["campaignName"], row["campaignLabel"]) for row in logs(api)} == {("", "")}


@pytest.mark.rule("campaign.md 12.2")
def test_a_hard_bounce_reported_later_turns_the_same_row_from_sent_to_failed(api: Api) -> None:
    mail(api, profiles=people(api, 1), shares={**NONE, "hard_later": 1})
    api.advance(3600)
    (sent,) = logs(api)
    api.advance(7 * DAY)
    (failed,) = logs(api)
    assert (sent["status"], failed["status"], failed["failureType"]) == ("sent", "failed", "hard")
    assert sent["broadLogId"] == failed["broadLogId"]
    assert sent["lastModified"] < failed["lastModified"] == failed["eventDate"]


@pytest.mark.rule("campaign.md 12.2")
def test_outcomes_come_in_the_shares_asked_for(api: Api) -> None:
    people(api, 1000)
    shares = {**NONE, "denied": 0.1, "ignored": 0.1, "hard": 0.1, "soft": 0.2}
    counts = mail(api, shares=shares)["counts"]
    api.advance(8 * DAY)
    found = states(api)
    assert found["failed", "hard", "denylisted"] == counts["denied"] > 50
    assert found["ignored", "none", "none"] == counts["ignored"] > 50
    assert (
        sum(n for (s, t, r), n in found.items() if (s, t) == ("failed", "hard") and r != "denylisted")
        == counts["hard"]
    )
    soft = Counter(s for s, t, _ in found.elements() if t == "soft")
    assert soft["sent"] + soft["failed"] == counts["soft"]
    assert min(soft["sent"], soft["failed"]) > 50  # half of them for good, after 3.5 days
    assert sum(found.values()) == 1000


@pytest.mark.rule("campaign.md 12.2")
def test_with_the_feedback_service_mails_are_pending_first(api: Api) -> None:
    api.switch("feedback_service", True)
    people(api, 200)
    clock(api, BEGUN)
    mail(api, shares={**NONE, "soft": 0.5, "hard": 0.1})
    api.advance(3600)
    during = Counter(status for status, _, _ in states(api).elements())
    api.advance(8 * DAY)
    after = states(api)
    assert during["pending"] > 0
    assert after["sent", "none", "none"] > 100  # soft bounces among them, sent again on a retry
    assert {status for status, _, _ in after} == {"sent", "failed"}


@pytest.mark.rule("campaign.md 8.4")
def test_tracking_rows_are_copied_every_ten_minutes_and_some_late(api: Api) -> None:
    clock(api, BEGUN)
    (sent,) = add(api, "broadLogRcp", {"profile": people(api, 1)[0], "delivery": "DM412"})
    add(api, "trackingLogRcp", {"broadLog": sent, "urlType": 2}, {
        "broadLog": sent, "urlType": 1, "url": 'https://alder.example/;"', "committed": "2026-04-12T09:00:00Z",
    })  # fmt: skip
    assert logs(api, "trackingLogRcp") == []
    clock(api, "2026-04-12T08:10:01Z")
    (opened,) = logs(api, "trackingLogRcp")
    assert (opened["urlType"], opened["urlId"], opened["externalId"], opened["deliveryName"]) == (
        "open", 1, "p000000", "DM412",
    )  # fmt: skip
    clock(api, "2026-04-12T09:00:01Z")
    clicked = logs(api, "trackingLogRcp")[1]
    assert clicked["logDate"][:16] == "2026-04-12 08:00"
    assert (clicked["urlType"], clicked["url"], clicked["broadLogId"]) == (
        "click",
        'https://alder.example/;"',
        sent,
    )
    assert clicked["urlId"] != 1


def test_readers_open_and_click_repeatedly_and_opt_out_and_see_mirror_pages(api: Api) -> None:
    people(api, 300)
    shares = {**NONE, "opens": 0.5, "clicks": 0.3, "opt_outs": 0.1, "mirrors": 0.1}
    counts = mail(api, shares=shares, long_urls=True)["counts"]
    api.advance(4 * DAY)
    found = logs(api, "trackingLogRcp")
    kinds = Counter(row["urlType"] for row in found)
    assert kinds == {
        "open": counts["opens"],
        "click": counts["clicks"],
        "optOut": counts["opt_outs"],
        "mirror": counts["mirrors"],
    }
    opens = Counter(row["externalId"] for row in found if row["urlType"] == "open")
    assert max(opens.values()) == 3
    urls = {row["url"] for row in found if row["urlType"] == "click"}
    assert max(map(len, urls)) == 10_000
    assert any(";" in url for url in urls)
    assert any('"' in url for url in urls)
    assert all(row["logDate"] < row["committed"] for row in found)


def test_the_same_seed_makes_the_same_events(api: Api) -> None:
    people(api, 50)
    first, second, other = (mail(api, seed=seed, at=BEGUN, shares={"opens": 0.5}) for seed in (7, 7, 8))
    assert first["counts"] == second["counts"]
    rows = logs(api, "trackingLogRcp")
    moments = [
        [r["logDate"] for r in rows if r["deliveryName"] == d["delivery"]] for d in (first, second, other)
    ]
    assert moments[0] == moments[1] != moments[2]


def test_text_messages_and_proofs_and_runs_of_a_recurring_delivery(api: Api) -> None:
    keys = people(api, 1)
    mail(api, profiles=keys, delivery={"name": "DM500", "messageType": "sms"})
    mail(api, profiles=keys, delivery={"name": "DM501", "proof": True})
    mail(api, profiles=keys, delivery={"name": "DM503", "parent": "DM502"})
    api.advance(DAY)
    assert [(r["deliveryName"], r["deliveryType"], r["isProof"], r["address"]) for r in logs(api)] == [
        ("DM500", "sms", False, "1"),
        ("DM501", "email", True, "p000000@alder.example"),
        ("DM503", "email", False, "p000000@alder.example"),  # the executed one, not the parent
    ]
    assert [row["name"] for row in api.rows("delivery")] == ["DM500", "DM501", "DM502", "DM503"]


@pytest.mark.rule("campaign.md 12.2")
def test_rows_of_a_profile_deleted_afterwards_have_no_external_id(api: Api) -> None:
    mail(api, profiles=people(api, 10), shares={**NONE, "deleted": 0.3})
    api.call("DELETE", f"{EXT}/profile/p000009")
    api.advance(3600)
    assert sorted(row["externalId"] for row in logs(api))[:5] == ["", "", "", "", "p000003"]


@pytest.mark.rule("campaign.md 12.1")
def test_who_opted_out_gets_no_mail_unless_named(api: Api) -> None:
    api.seed(
        "profile",
        [{"externalId": "out", "email": "o@alder.example", "blackListEmail": True}, {"externalId": "none"}],
    )
    assert mail(api)["counts"] == {}
    assert mail(api, profiles=["out"], shares={**NONE, "denied": 1})["counts"] == {"denied": 1}


def test_an_exact_row_is_changed_by_giving_its_id_again(api: Api) -> None:
    clock(api, BEGUN)
    row = {
        "id": 41,
        "profile": people(api, 1)[0],
        "delivery": {"name": "DM412", "campaign": "C7"},
        "address": "a@b.example",
    }
    assert add(api, "broadLogRcp", row, {"profile": None, "delivery": "DM412"}) == [41, 42]
    clock(api, "2026-04-14T10:00:00Z")
    add(api, "broadLogRcp", {"id": 41, "status": 2, "failureType": 2, "failureReason": 1})
    changed, gone = logs(api)
    assert (changed["status"], changed["failureReason"], changed["campaignName"]) == (
        "failed",
        "userUnknown",
        "C7",
    )
    assert (changed["eventDate"][:10], changed["lastModified"][:10]) == ("2026-04-12", "2026-04-14")
    assert gone["externalId"] == ""


@pytest.mark.rule("campaign.md 13.3/U15")
def test_statuses_that_are_neither_sent_nor_failed_have_numbers_of_no_promise(api: Api) -> None:
    people(api, 1)
    add(
        api,
        "broadLogRcp",
        {"status": "ignored"},
        {"status": "pending"},
        {"status": "sent"},
        {"status": "failed"},
    )
    declare(api, columns=["broadLogId", "status"])
    assert [row["status"] for row in exported(api)] == ["0", "3", "1", "2"]
    api.switch("log_status_pending", 7)
    api.switch("log_status_ignored", 6)
    declare(api, last_date=None)
    assert [row["status"] for row in exported(api)] == ["6", "7", "1", "2"]


@pytest.mark.rule("campaign.md 13.3/U16")
def test_a_public_mirror_page_is_there_only_where_an_integrator_computes_it(api: Api) -> None:
    keys = people(api, 1)
    mail(api, profiles=keys, shares=NONE)
    api.switch("mirror_url", "public")
    mail(api, profiles=keys, shares=NONE)
    api.advance(3600)
    declare(api, columns=["broadLogId", "mirrorUrl"])
    assert sorted((r["broadLogId"], r["mirrorUrl"][:26]) for r in exported(api)) == [
        ("1", ""),
        ("2", "https://m.alder.example/nl"),
    ]


def test_nonsense_is_refused_and_leaves_nothing(api: Api) -> None:
    address = api.sandbox.env["SANDBOX_URL"] + "/sandbox/campaign/"
    for path, body in (
        ("mailings", {"profiles": ["nobody"], "delivery": {"name": "DM1"}}),
        ("mailings", {"share": {}}),
        ("logs", {"broadLogRcp": [{"delivery": "DM1"}, {"status": "lost"}]}),
        ("logs", {"broadLogs": []}),
    ):
        assert api.sandbox.http.post(address + path, json=body, timeout=60).status_code == 400
    assert (logs(api, more="&future"), api.rows("delivery")) == ([], [])
