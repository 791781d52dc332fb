"""The error tree: three parts in every message, and safe passage between processes."""

from __future__ import annotations

import inspect
import pickle

import pytest
from campaign_sync import errors
from campaign_sync.errors import (
    MappingError,
    QualityError,
    ReconcileError,
    RefusedError,
    SyncError,
    TransientError,
)

EXAMPLES = [
    SyncError("it broke", "here", "mend it"),
    MappingError("a.yaml", 3, "map.x", "unknown", "remove it", (MappingError("a.yaml", 5, "y", "worse"),)),
    TransientError("Dataverse", "/contacts", 429, "busy", "wait", "r-1", 7.5),
    RefusedError("Campaign", "/profile", 403, "403003", "no right", "ask the administrator", "r-2"),
    QualityError("too many rejected rows", "contacts.yaml", "look at them", {"rows": 3}),
    ReconcileError("the sums do not add up"),
]


def test_the_tree_in_the_docstring_is_the_tree():
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)]
    assert all(each.__name__ in (errors.__doc__ or "") for each in classes)
    assert {each.__mro__[1] for each in classes} == {Exception, SyncError}
    assert {type(each) for each in EXAMPLES} == set(classes)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy).keys() == vars(error).keys()


def test_a_message_says_what_where_and_what_to_do():
    assert str(EXAMPLES[0]) == "here: it broke. mend it."
    assert str(EXAMPLES[5]) == "the sums do not add up."
    assert str(EXAMPLES[3]) == (
        "Campaign /profile (status 403, code 403003, request id r-2): no right. ask the administrator."
    )
    assert str(EXAMPLES[2]) == "Dataverse /contacts (status 429, request id r-1): busy. wait."


def test_a_mapping_error_tells_all_problems_of_its_file():
    assert str(EXAMPLES[1]) == (
        "a.yaml:3: map.x: unknown. remove it.\nAnd 1 more problem in this file:\na.yaml:5: y: worse."
    )


def test_the_problems_of_a_file_can_be_told_one_by_one():
    alone = EXAMPLES[1].one_by_one()
    assert [str(each) for each in alone] == ["a.yaml:3: map.x: unknown. remove it.", "a.yaml:5: y: worse."]
