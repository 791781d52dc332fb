"""campaign.md §4.4: the envelope around the back end's sentences."""

from __future__ import annotations

import pytest

from tests.sandbox.campaign.conftest import EXT, Api

SENTENCE = "Cannot update the 'age' property that is read-only"


@pytest.mark.rule("campaign.md 13.2/B9", "campaign.md 13.3/U1")
def test_the_envelope_is_an_object_with_code_and_message_by_default(api: Api) -> None:
    answer = api.call("POST", f"{EXT}/profile", {"age": 3})
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error_code", "message"}
    assert answer.json()["error_code"] == 500
    assert answer.json()["message"].startswith("RST-360011")
    assert SENTENCE in answer.json()["message"]


@pytest.mark.rule("campaign.md 13.2/B9")
@pytest.mark.parametrize(
    "envelope, kind", [("string", "application/json"), ("text", "text/plain"), ("html", "text/html")]
)
def test_the_envelope_may_be_a_json_string_plain_text_or_html(api: Api, envelope: str, kind: str) -> None:
    api.switch("error_envelope", envelope)
    answer = api.call("POST", f"{EXT}/profile", {"age": 3})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    text = answer.json() if envelope == "string" else answer.text
    assert isinstance(text, str)
    assert (SENTENCE in text) or (envelope == "html" and "&#x27;age&#x27;" in text)
    missing = api.get(f"{EXT}/profile/nobody")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith(kind)


@pytest.mark.rule("campaign.md 13.2/B9")
def test_an_unknown_resource_is_a_404_of_another_kind(api: Api) -> None:
    answer = api.get(f"{EXT}/cusNothing")
    assert answer.status_code == 404
    assert "Unable to find document" not in answer.text


@pytest.mark.rule("campaign.md 13.3/U19")
def test_no_refusal_carries_a_pas_code(api: Api) -> None:
    bodies = [
        {"age": 1},
        {"x": 1},
        {"gender": "x"},
        {"firstName": "x" * 99},
        {"email": "x"},
        {"firstName": 1},
    ]
    answers = [api.call("POST", f"{EXT}/profile", body) for body in bodies]
    answers += [api.get(f"{EXT}/profile/@x"), api.get(f"{EXT}/profile/x"), api.get("/elsewhere")]
    assert all(a.status_code >= 400 and "PAS-" not in a.text for a in answers)
