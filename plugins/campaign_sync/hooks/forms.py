"""What becomes of an answer that is JSON and has another form than the vendor documents: a refusal, never a crash.

Not for damaged JSON, which is asked for again (rest.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from campaign_sync.errors import RefusedError

UNEXPECTED = (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)


@contextmanager
def documented(system: str, what: str) -> Iterator[None]:
    """Raises RefusedError where an answer is taken apart and is not as documented; also a decorator.

    :param what: the answer tells, such as "metadata".
    """
    try:
        yield
    except UNEXPECTED as error:
        problem = f"an answer does not have the form that is documented ({type(error).__name__})"
        remedy = "Check that the connection's host is the service itself; if it is, report it"
        # Their own texts may quote a value
        raise RefusedError(system, what, 200, "", problem, remedy) from None
