"""dataverse.md §6.2: what a $batch is answered, whole and damaged."""

from __future__ import annotations

import pytest
from campaign_sync.hooks.answers import Answer
from campaign_sync.hooks.dataverse_batch import Request, decoded

ROW = Request("POST", "/api/data/v9.2/tasks", {})
ITEM = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
DONE = f"{ITEM}Content-ID: 1\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n\r\n"
BUSY = (
    f"{ITEM}\r\nHTTP/1.1 429 Too Many Requests\r\nREQ_ID: 5d0e0000\r\nretry-after: 42\r\n"
    "Content-Type: application/json; odata.metadata=minimal\r\n\r\n"
    '{"error":{"code":"0x80072322","message":"--a\\n"}}\r\n'
)


def answered(
    *parts: str, kind: str = "multipart/mixed; boundary=batchresponse_c3", end: str = "--\r\n"
) -> Answer:
    body = "".join(f"--batchresponse_c3\r\n{part}" for part in parts) + f"--batchresponse_c3{end}"
    return Answer("POST", "https://org/api/data/v9.2/$batch", 200, {"Content-Type": kind}, body.encode())


def changes(*items: str) -> str:
    """A change set's answers; its boundary begins as another one does."""
    inside = "".join(f"--batch\r\n{item}" for item in items)
    return f'Content-Type: multipart/mixed; boundary="batch"\r\n\r\n{inside}--batch--\r\n\r\n'


def test_each_change_set_has_an_answer_its_first_refusal_or_its_last_good_one() -> None:
    found = decoded(answered(changes(DONE, DONE), BUSY, DONE), [[ROW, ROW], [ROW, ROW], [ROW]])
    assert [each.status for each in found] == [204, 429, 204]
    assert found[1].retry_after == 42
    assert found[1].error.code == "0x80072322"


@pytest.mark.parametrize(
    "answer",
    [
        answered(changes(DONE, DONE), DONE, end=""),
        answered(changes(DONE, DONE), DONE, kind="application/json"),
        answered(changes(DONE, DONE), DONE, kind="multipart/mixed"),
        answered(changes(DONE, DONE)),
        answered(changes(DONE), DONE),
        answered(changes(DONE, DONE).replace("--batch--", ""), DONE),
        answered(changes(DONE, DONE), DONE.replace("HTTP/1.1 204", "HTTP/1.1")),
        answered(changes(DONE, DONE), "HTTP/1.1 204 No Content\r\n"),
        answered(),
        Answer("POST", "https://org/$batch", 200, {"Content-Type": "multipart/mixed; boundary=a"}, b""),
    ],
)
def test_a_damaged_answer_is_told_from_a_whole_one(answer: Answer) -> None:
    with pytest.raises(ValueError):
        decoded(answer, [[ROW, ROW], [ROW]])
