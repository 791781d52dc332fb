"""When Airflow tries again: by the error tree, never before a system said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction
from campaign_sync.errors import (
    MappingError,
    QualityError,
    ReconcileError,
    RefusedError,
    SyncError,
    TransientError,
)
from campaign_sync.retry import SyncRetryPolicy


@pytest.mark.parametrize(
    "error",
    [
        MappingError("a.yaml", 1, "map", "no such field"),
        RefusedError("Campaign", "/profile", 403, "", "no access"),
        QualityError("too many rejected"),
        ReconcileError("rows are missing"),
        SyncError("a column is not there"),
    ],
)
def test_what_people_must_mend_fails_at_once(error):
    decision = SyncRetryPolicy().evaluate(error, 1, 3)
    assert decision.action is RetryAction.FAIL
    assert type(error).__name__ in decision.reason


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 60), (0, 60), (42, 60), (300, 300), (86_400, 86_400)]
)
def test_a_passing_trouble_is_tried_again_not_before_the_system_said(retry_after, seconds):
    error = TransientError("Campaign", "/profile", 429, "too many requests", retry_after=retry_after)
    decision = SyncRetryPolicy().evaluate(error, 1, 3, None)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=seconds))


def test_what_is_not_ours_is_left_to_airflow():
    assert SyncRetryPolicy().evaluate(ConnectionError("planted"), 1, 3).action is RetryAction.DEFAULT
