"""Which trouble is waited out, and how many REST calls a job run costs."""

from __future__ import annotations

import re
import time

import pytest
import requests
from databricks.sdk import errors

from ml_assets.orchestration.databricks.calls import Calls, is_passing
from ml_assets.orchestration.databricks.errors import UnreachableError, WorkspaceError
from ml_assets_tests.orchestration.databricks.bench import only_pages

PASSING = [
    errors.InternalError("500"),
    errors.base.DatabricksError("502, with a page of HTML"),
    errors.TemporarilyUnavailable("503"),
    errors.DeadlineExceeded("504"),
    errors.TooManyRequests("429"),
    requests.ConnectionError("reset"),
    requests.ReadTimeout("slow"),
    requests.exceptions.ChunkedEncodingError("cut off"),
    TimeoutError("Timed out after 0:00:01"),
]
LASTING = [
    errors.BadRequest("400"),
    errors.NotFound("404"),
    errors.ResourceAlreadyExists("409"),
    requests.exceptions.MissingSchema("no http"),
]
OF_CREDENTIALS = [
    errors.Unauthenticated("401"),
    errors.PermissionDenied("403"),
    ValueError("what the SDK makes of a server of tokens that answers 503"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda e: type(e).__name__)
def test_trouble_that_passes(error):
    assert is_passing(error, forgiving=False)


@pytest.mark.parametrize("error", LASTING, ids=lambda e: type(e).__name__)
def test_answers_that_stay(error):
    assert not is_passing(error, forgiving=True)


@pytest.mark.parametrize("error", OF_CREDENTIALS, ids=lambda e: type(e).__name__)
def test_credentials_are_renewed_while_a_job_runs_only(error):
    assert is_passing(error, forgiving=True)
    assert not is_passing(error, forgiving=False)


def test_a_call_is_repeated_until_it_works():
    answers = iter(PASSING)

    def call():
        for error in answers:
            raise error
        return "there"

    assert Calls(10, pause=0)("asking", call) == "there"


def test_it_is_given_up_after_the_deadline():
    def call():
        raise errors.InternalError("broken")

    began = time.monotonic()
    with pytest.raises(UnreachableError, match="broken"):
        Calls(0.3, pause=0.1)("asking", call)
    assert 0.1 < time.monotonic() - began < 2


def test_what_stays_is_explained_at_once():
    def call():
        raise errors.BadRequest("no such field. Config: host=x, token=***")

    with pytest.raises(WorkspaceError) as refused:
        Calls(60)("asking", call)
    assert "no such field." in str(refused.value)
    assert "token" not in str(refused.value)


def test_what_is_missing_is_for_the_caller_to_judge():
    def call():
        raise errors.NotFound("gone")

    with pytest.raises(errors.NotFound):
        Calls(60)("asking", call)


class TestTheNumberOfCalls:
    #: What a job run costs, however long it takes: each line is one call, and what it is for.
    FIXED = (
        ("GET /api/2.0/fs/directories/sessions", "has a killed launcher left a job run behind?"),
        ("HEAD /api/2.0/fs/files/wheels", "is the wheel there?"),
        ("PUT /api/2.0/fs/directories/sessions", "the folder of the session"),
        ("PUT /api/2.0/fs/files/sessions", "the request"),
        ("POST /api/2.2/jobs/runs/submit", "start it"),
        ("DELETE /api/2.0/fs/files/sessions", "the request is removed"),
        ("DELETE /api/2.0/fs/directories/sessions", "the folder is removed"),
    )

    def test_fixed_calls(self, bench):
        assert bench.run().success, "the first uploads the wheel"
        bench.emulator.requests.clear()
        assert bench.run(poll_interval_seconds=5, message_interval_seconds=5).success
        asked = only_pages(bench.emulator.requests.all)
        polls = [line for line in asked if "runs/get" in line]
        messages = [line for line in asked if re.search(r"/\d+\.json", line)]
        fixed = [line for line in asked if line not in {*polls, *messages}]
        assert sorted(fixed) == sorted(call for call, _ in self.FIXED)
        # At once, for the address of its page; then every five seconds.
        assert 2 <= len(polls) <= 3
        # Each chunk is read once and removed once; a look that comes too early finds nothing.
        chunks = 6  # opened, two reports, a log, done, closed
        early = [
            r for r in bench.emulator.requests.matching(r"GET .*/\d+\.json") if r.status == 404
        ]
        assert len(messages) - len(early) == 2 * chunks
        assert len(early) <= len(polls)

    @pytest.mark.slow
    def test_a_minute_costs_what_the_intervals_say(self, bench):
        """Six seconds at a tenth of the usual intervals, as a minute at the usual ones."""
        assert bench.run().success
        bench.behave("long")
        bench.emulator.requests.clear()
        assert bench.run(poll_interval_seconds=0.5, message_interval_seconds=0.5).success
        asked = only_pages(bench.emulator.requests.all)
        counted = {
            "polls": len([line for line in asked if "runs/get" in line]),
            "reads": len([line for line in asked if re.match(r"GET .*/\d+\.json", line)]),
        }
        assert counted["polls"] <= 6 / 0.5 + 3
        assert counted["reads"] <= 6 / 0.5 + 6 + 2
        assert len(asked) <= len(self.FIXED) + sum(counted.values()) + 6
