"""What goes wrong on purpose, as the SDK meets it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from databricks.sdk.errors import (
    DatabricksError,
    InternalError,
    PermissionDenied,
    Unauthenticated,
)

from ml_assets_tests.emulator.helpers import submit, upload_code, wait_for_end
from ml_assets_tests.emulator.processes import wait_until


@pytest.mark.parametrize(
    ("status", "error"), [(500, InternalError), (401, Unauthenticated), (403, PermissionDenied)]
)
def test_an_answer_with_an_error_as_often_as_was_asked(emulator, client, status, error) -> None:
    emulator.faults.add("scim", status=status, code="SOME_CODE", message="on purpose", times=2)
    for _ in range(2):
        with pytest.raises(error, match="on purpose"):
            client.current_user.me()
    assert client.current_user.me().active
    assert [r.status for r in emulator.requests.all] == [status, status, 200]
    assert [r.fault for r in emulator.requests.all] == [True, True, False]


def test_other_requests_are_left_alone(emulator, client) -> None:
    fault = emulator.faults.add("GET .*/warehouses", status=500)
    assert client.current_user.me().active
    assert fault.hits == 0
    with pytest.raises(DatabricksError):
        list(client.warehouses.list())
    assert fault.hits == 1


def test_retry_after_is_sent_and_the_sdk_obeys(emulator, client) -> None:
    emulator.faults.add("scim", status=429, code="REQUEST_LIMIT_EXCEEDED", retry_after=1)
    started = time.monotonic()
    assert client.current_user.me().active
    assert 0.9 < time.monotonic() - started < 4


def test_a_dropped_connection_did_nothing_and_is_tried_again(emulator, client, root) -> None:
    emulator.faults.drop("POST .*runs/submit")
    wheel = upload_code(emulator, "def main(): pass")
    run = wait_for_end(client, submit(client, wheel))
    assert run.state.result_state.value == "SUCCESS"
    assert emulator.requests.count("runs/submit") == 2
    assert len(emulator.jobs.runs) == 1


def test_a_lost_response_was_done_and_the_token_keeps_it_from_being_done_twice(
    emulator, client, root
) -> None:
    wheel = upload_code(emulator, f"def main(): open({root + '/done'!r}, 'a').write('x')")
    for token, runs in (({"idempotency_token": "t"}, 1), ({}, 3)):
        emulator.faults.lose_response("POST .*runs/submit")
        wait_for_end(client, submit(client, wheel, **token))
        wait_until(lambda: not emulator.jobs.active(), 20, "all runs to end")
        assert len(emulator.jobs.runs) == runs
        assert Path(f"{root}/done").read_text() == "x" * runs


def test_a_frozen_server_answers_when_it_thaws(emulator, client) -> None:
    emulator.faults.frozen = True
    answers = []
    asking = threading.Thread(target=lambda: answers.append(client.current_user.me().active))
    asking.start()
    wait_until(lambda: emulator.requests.count("scim"), 5, "the request to arrive")
    asking.join(0.3)
    assert answers == []
    emulator.faults.thaw()
    asking.join(5)
    assert answers == [True]


def test_a_frozen_server_runs_into_the_client_s_timeout(emulator) -> None:
    emulator.faults.freeze("scim", times=100)
    hasty = emulator.client(http_timeout_seconds=1, retry_timeout_seconds=2)
    with pytest.raises(TimeoutError):
        hasty.current_user.me()
    emulator.faults.clear()
    assert hasty.current_user.me().active


def test_a_slow_answer(emulator, client) -> None:
    emulator.faults.add("scim", delay=0.4)
    started = time.monotonic()
    assert client.current_user.me().active
    assert time.monotonic() - started > 0.4
