"""One request over the wire, whatever happens to it: an answer, or the words for why there is none.

Not for deciding what to do about it (rest.py)."""

from __future__ import annotations

from collections.abc import Mapping

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from campaign_sync.errors import RefusedError
from campaign_sync.hooks.answers import LOST, Answer, readable_path

LARGEST = 256 * 1024 * 1024  # bytes of one answer
CHUNK = 1024 * 1024


def receive(
    system: str,
    session: requests.Session,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout: tuple[float, float],
) -> Answer:
    """Sends one request; follows no redirect, reads no endless body, raises only if TLS is untrusted."""
    try:
        response = session.request(
            method, url, headers=dict(headers), data=body, timeout=timeout, allow_redirects=False, stream=True
        )
    except requests.exceptions.SSLError as error:
        if "certificate" in str(error).lower():
            raise _untrusted(system, url) from None
        return Answer(method, url, LOST, {}, problem="the TLS connection broke")
    except requests.exceptions.RequestException as error:
        return Answer(method, url, LOST, {}, sent=_may_have_left(error), problem=_in_words(error))
    token = (response.request.headers.get("Authorization") or "").removeprefix("Bearer ")
    answer = Answer(method, url, response.status_code, response.headers, token=token)
    try:
        return answer._replace(body=_read(system, response))
    except requests.exceptions.RequestException:
        return answer._replace(cut=True, problem="the answer was cut short")
    finally:
        response.close()


def _read(system: str, response: requests.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            path, problem = readable_path(response.url), f"an answer of more than {LARGEST // 1024**2} MB"
            raise RefusedError(system, path, response.status_code, "", problem, "Ask for smaller pages")
    return b"".join(parts)


def _untrusted(system: str, url: str) -> RefusedError:
    problem = "the certificate of the service is not trusted on this machine"
    remedy = "Name the CA's file in the connection's extra: verify; or mend the host, if it is the wrong one"
    return RefusedError(system, readable_path(url), None, "certificate", problem, remedy)


def _may_have_left(error: Exception) -> bool:
    """A request certainly never left when no connection was made."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(reason, (ConnectTimeoutError, NewConnectionError))


def _in_words(error: Exception) -> str:
    """requests' own texts hold URLs with values."""
    if isinstance(error, requests.exceptions.ConnectTimeout) or not _may_have_left(error):
        return "no connection to the service"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer within the time limit"
    return "the connection was lost before the answer"
