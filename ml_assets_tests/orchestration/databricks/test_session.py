"""Sessions are found by the names of their folders alone; messages are read chunk by chunk."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from ml_assets.orchestration.databricks.pipes import SessionReader
from ml_assets.orchestration.databricks.session import SessionName, of_runs, of_step

WORK = {"tasks": ["one"], "wheel": "abc"}


def name_of(run="run-1", step="everything", request=None):
    return SessionName.new(run, step, request or WORK)


class TestNames:
    def test_survive_a_folder(self):
        name = name_of()
        assert SessionName.parse(str(name)) == name

    def test_of_the_same_work_differ(self):
        one, two = name_of(), name_of()
        assert one.same_work(two)
        assert one.token != two.token
        assert len(one.token) == 64

    def test_do_not_depend_on_the_order_of_keys(self):
        assert name_of(request={"a": 1, "b": 2}).same_work(name_of(request={"b": 2, "a": 1}))

    def test_differ_by_step_and_by_request(self):
        assert not name_of().same_work(name_of(step="other"))
        assert not name_of().same_work(name_of(request={"wheel": "def"}))


class TestWhatIsLeftBehind:
    def test_is_found_by_its_step_among_all_folders(self):
        mine, other = name_of(), name_of(step="other")
        assert of_step([str(mine), str(other), "README.md"], "everything") == [mine]

    def test_is_that_of_this_run_and_its_ancestors_latest_first(self):
        mine, parents, others = name_of("run-3"), name_of("run-1"), name_of("run-2")
        assert of_runs([others, parents, mine], ["run-3", "run-1"]) == [mine, parents]


class Volume:
    """Files by path, as far as the reader needs them."""

    client, root = None, "/Volumes/a/b/c"

    def __init__(self):
        self.files = {}

    def read(self, path):
        return self.files.get(path)


@pytest.fixture
def volume(monkeypatch):
    monkeypatch.setattr("dagster_databricks.pipes.files.FilesAPI", lambda _: None)
    found = Volume()
    found.client = type("Client", (), {"api_client": None})()
    return found


@pytest.fixture
def reader(volume):
    return SessionReader(volume, "/s")


def line(method, **params):
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})


def custom(number):
    return line("report_custom_message", payload={"n": number})


@pytest.fixture
def handler(reader):
    # Closed here: by the garbage collector it would be at any moment, and importing modules then.
    with dg.build_asset_context() as context:
        handler = dg.PipesMessageHandler(context, reader)
        with reader.read_messages(handler):
            yield handler


class TestMessages:
    def numbers(self, handler):
        return [message["n"] for message in handler.get_custom_messages()]

    def test_are_read_as_they_come(self, volume, reader, handler):
        reader.pull()
        assert self.numbers(handler) == []
        volume.files["/s/1.json"] = f"{custom(1)}\n{custom(2)}".encode()
        reader.pull()
        assert self.numbers(handler) == [1, 2]
        volume.files["/s/2.json"] = custom(3).encode()
        volume.files["/s/3.json"] = custom(4).encode()
        reader.pull()
        assert self.numbers(handler) == [1, 2, 3, 4]
        assert reader.names() == ["context.json", "1.json", "2.json", "3.json"]

    def test_half_a_chunk_is_waited_for_and_nothing_is_read_twice(self, volume, reader, handler):
        whole = f"{custom(1)}\n{custom(2)}"
        volume.files["/s/1.json"] = whole[:-9].encode()
        reader.pull()
        reader.pull()
        assert self.numbers(handler) == [1]
        volume.files["/s/1.json"] = whole.encode()
        reader.pull()
        assert self.numbers(handler) == [1, 2]

    def test_half_a_letter_is_waited_for_too(self, volume, reader, handler):
        written = custom("é")
        whole = json.dumps(json.loads(written), ensure_ascii=False).encode()
        volume.files["/s/1.json"] = whole[: whole.index("é".encode()) + 1]
        reader.pull()
        assert self.numbers(handler) == []
        volume.files["/s/1.json"] = whole
        reader.pull()
        assert self.numbers(handler) == ["é"]

    def test_a_chunk_of_several_megabytes_is_read_whole(self, volume, reader, handler):
        lines = [custom(n) if n % 2 else custom("x" * 1_000_000) for n in range(1, 5)]
        volume.files["/s/1.json"] = "\n".join(lines).encode()
        reader.pull()
        assert [n if isinstance(n, int) else len(n) for n in self.numbers(handler)] == [
            *(1, 1_000_000, 3, 1_000_000)
        ]

    def test_a_chunk_that_arrives_before_an_earlier_one_waits_for_it(self, volume, reader, handler):
        volume.files["/s/2.json"] = custom(2).encode()
        reader.pull()
        assert self.numbers(handler) == []
        volume.files["/s/1.json"] = custom(1).encode()
        reader.pull()
        reader.pull()
        assert self.numbers(handler) == [1, 2]

    def test_an_empty_chunk_is_being_written(self, volume, reader, handler):
        volume.files |= {"/s/1.json": b"", "/s/2.json": custom(2).encode()}
        reader.pull()
        assert self.numbers(handler) == []
        volume.files["/s/1.json"] = custom(1).encode()
        reader.pull()
        assert self.numbers(handler) == [1, 2]

    @pytest.mark.usefixtures("handler")
    def test_after_the_last_message_nothing_is_asked(self, volume, reader):
        volume.files["/s/1.json"] = line("closed").encode()
        reader.pull()
        volume.read = lambda path: pytest.fail(f"asked for {path}")
        reader.pull()

    def test_lines_that_are_no_messages_are_left_out(self, volume, reader, handler):
        volume.files["/s/1.json"] = f'{{"a": 1}}\n[1]\n{custom(1)}\n'.encode()
        reader.pull()
        assert self.numbers(handler) == [1]
