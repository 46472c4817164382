"""Messages arrive on time, complete and in order, also when the volume has its moods."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from ml_assets.remote import shown
from ml_assets.remote.messages import PromptWriter, StartedTwiceError
from ml_assets.steps.work import Report, TaskError


def written(folder):
    """Messages by chunk, in the order of the chunks."""
    files = sorted(folder.glob("*.json"), key=lambda file: int(file.stem))
    assert [file.name for file in files] == [f"{i + 1}.json" for i in range(len(files))]
    return [[json.loads(line)["n"] for line in f.read_text().splitlines()] for f in files]


def test_the_rest_is_written_at_once_when_the_job_ends(tmp_path):
    began = time.monotonic()
    with PromptWriter(interval=60).open({"path": str(tmp_path)}) as channel:
        channel.write_message({"n": 1})
        channel.write_message({"n": 2})
    assert written(tmp_path) == [[1, 2]]
    assert time.monotonic() - began < 1


def test_nothing_is_written_when_there_is_nothing(tmp_path):
    with PromptWriter(interval=0.01).open({"path": str(tmp_path)}):
        time.sleep(0.1)
    assert written(tmp_path) == []


def test_what_is_there_is_written_while_the_job_runs(tmp_path):
    with PromptWriter(interval=0.05).open({"path": str(tmp_path)}) as channel:
        channel.write_message({"n": 1})
        deadline = time.monotonic() + 5
        while not written(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert written(tmp_path) == [[1]]
        channel.write_message({"n": 2})
    assert written(tmp_path) == [[1], [2]]


def send_and_raise(folder):
    with PromptWriter(interval=60).open({"path": str(folder)}) as channel:
        channel.write_message({"n": 1})
        raise ValueError("broken")


def test_it_is_written_when_the_job_raises(tmp_path):
    with pytest.raises(ValueError, match="broken"):
        send_and_raise(tmp_path)
    assert written(tmp_path) == [[1]]


def test_what_could_not_be_written_is_written_later(tmp_path):
    folder = tmp_path / "later"
    with PromptWriter(interval=0.02).open({"path": str(folder)}) as channel:
        channel.write_message({"n": 1})
        time.sleep(0.2)
        channel.write_message({"n": 2})
        folder.mkdir()
    assert [n for chunk in written(folder) for n in chunk] == [1, 2]


def test_what_can_never_be_written_fails_the_job(tmp_path):
    with (
        pytest.raises(OSError, match="nowhere"),
        PromptWriter(interval=60).open({"path": str(tmp_path / "nowhere")}) as channel,
    ):
        channel.write_message({"n": 1})


def test_a_chunk_that_may_have_been_seen_is_written_again_as_it_was(tmp_path, monkeypatch):
    """A volume may keep what it says it could not write: whoever read that never looks again."""
    channel = PromptWriter(interval=60).make_channel({"path": str(tmp_path)})
    write = type(channel).upload_messages_chunk

    def write_and_fail(payload, index):
        write(channel, payload, index)
        raise OSError("the connection was cut")

    monkeypatch.setattr(channel, "upload_messages_chunk", write_and_fail)
    with contextlib.suppress(OSError), channel.buffered_upload_loop():
        channel.write_message({"n": 1})
    assert written(tmp_path) == [[1]]
    channel.write_message({"n": 2})
    monkeypatch.undo()
    with channel.buffered_upload_loop():
        pass
    assert written(tmp_path) == [[1], [2]]


def test_the_error_that_ends_a_job_shows_no_token(tmp_path):
    """Also one that is raised before any report: dagster-pipes sends it as it is."""
    token = "dapi0123456789abcdef0123456789abcdef"
    closed = {"error": {"message": f"401 for {token}", "stack": [f"Bearer {token}"]}}
    with PromptWriter(interval=60).open({"path": str(tmp_path)}) as channel:
        channel.write_message({"n": 1, "method": "closed", "params": closed})
    text = (tmp_path / "1.json").read_text()
    assert token not in text
    assert "401 for [redacted]" in text


def test_a_report_keeps_its_names_and_loses_its_secrets(monkeypatch):
    """Other steps read the handle: a name that is also a secret's value must stay whole."""
    monkeypatch.setenv("MY_TOKEN", "flight_ops")
    error = TaskError("401 for flight_ops", "Traceback: flight_ops")
    found = shown(Report("labels", True, handle={"table": "flight_ops.labels.x"}, error=error))
    assert found["handle"] == {"table": "flight_ops.labels.x"}
    assert found["error"]["message"] == "401 for [redacted]"
    assert "flight_ops" not in found["error"]["traceback"]


def test_a_second_attempt_writes_over_nothing_and_says_what_happened(tmp_path):
    (tmp_path / "1.json").write_text("{}")
    with (
        pytest.raises(StartedTwiceError, match="once more"),
        PromptWriter(interval=60).open({"path": str(tmp_path)}),
    ):
        pytest.fail("it was opened")
    assert (tmp_path / "1.json").read_text() == "{}"
