"""Reading answers: every envelope of an error, waiting times, excerpts without values."""

from __future__ import annotations

import pytest
from campaign_sync.hooks.answers import Answer, masked, names_in, readable_path


def answer(body: str, content_type: str = "application/json", **headers: str) -> Answer:
    return Answer("GET", "https://x.example/a", 500, {"Content-Type": content_type, **headers}, body.encode())


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ('{"error":{"code":"0x80040217","message":"gone"}}', "0x80040217", "gone"),
        ('{"error":"invalid_client","error_codes":[7000215]}', "AADSTS7000215", "invalid_client "),
        ('{"error":"invalid_client","error_description":"no"}', "invalid_client", "invalid_client no"),
        (
            '{"error_code":"401013","message":"Oauth token is not valid"}',
            "401013",
            "Oauth token is not valid",
        ),
        ('{"code":500,"message":"Oops."}', "500", "Oops."),
        ('{"message":"RST-360011 x PGS-220000 y"}', "PGS-220000", "RST-360011 x PGS-220000 y"),
        ('"RST-360011 text"', "RST-360011", "RST-360011 text"),
        ("RST-360011 plain", "RST-360011", "RST-360011 plain"),
        ("<html><p>RST-360012 &lt;x&gt;</p></html>", "RST-360012", "RST-360012 <x>"),
        ("", "", ""),
        ("[1]", "", ""),
    ],
)
def test_the_code_and_message_of_every_envelope_are_found(body: str, code: str, message: str) -> None:
    assert answer(body).error == (code, message)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("42", 42), ("0.5", 0.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("", None)],
)
def test_retry_after_is_read_in_both_forms(given: str, seconds: float | None) -> None:
    assert answer("", **{"Retry-After": given}).retry_after == seconds


def test_an_excerpt_keeps_names_of_the_schema_and_drops_values() -> None:
    text = "missing prvReadContact on 'contact', not 'Ann Person' ann@person.example Bearer abc.def"
    assert masked(text, {"contact"}) == "missing prvReadContact on 'contact', not '…' … …"


@pytest.mark.parametrize(
    "value", ["Wong", "+47-555-0100", "47.555.0100", "O'Brien", "wong@home", "ann.wong", "1987-03-09", ""]
)
def test_a_quoted_word_that_is_no_known_name_is_dropped(value: str) -> None:
    said = f"Can't take '{value}' for \"{value}\" of 'fullname'"
    assert masked(said, {"fullname"}) == "Can't take '…' for '…' of 'fullname'"


@pytest.mark.parametrize(
    "name", ["nms:recipient:gender", "Microsoft.Dynamics.CRM.contact", "prvReadContact", "cus:site"]
)
def test_names_that_only_a_schema_has_stay(name: str) -> None:
    assert masked(f"not in '{name}'") == f"not in '{name}'"


def test_the_names_that_a_read_asks_for_are_known_and_its_values_are_not() -> None:
    url = "https://x.example/api/contacts?$select=fullname,_ownerid_value&$filter=lastname eq 'Wong'"
    assert {"contacts", "fullname", "_ownerid_value"} <= names_in(url)
    assert not {"Wong", "lastname"} & names_in(url)


def test_a_path_shows_the_names_of_its_options_only() -> None:
    assert (
        readable_path("https://x.example/api/contacts?$filter=a eq 'b'&$top=1")
        == "/api/contacts?$filter&$top"
    )
