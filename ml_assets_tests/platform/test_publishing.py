"""A table changes in one commit or not at all, whoever else writes and whoever dies."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ml_assets.platform.embedded import delta, locks
from ml_assets.platform.embedded.tables import EmbeddedTables
from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import ConcurrentWriteError, StorageError
from ml_assets_tests.platform.processes import run_python

NAME = "main.flights.planes"
LAYOUT = TableLayout(name=NAME, primary_keys=("k",), description="Planes.", not_null=("k",))
SCHEMA = pa.schema([("k", pa.int64())])
TWO_DAYS = 2 * 24 * 3600


def no_session():
    raise AssertionError("nothing here needs Spark")


@pytest.fixture
def tables(home):
    return EmbeddedTables(home, no_session)


def stage(tables, keys, layout=LAYOUT):
    rows = pa.table({"k": keys}, SCHEMA)
    return tables.stage_arrow(
        SCHEMA, layout, lambda folder: pq.write_table(rows, folder / "a.parquet")
    )


def keys_of(tables, version=None):
    return sorted(
        DeltaTable(tables.path(NAME), version=version).to_pyarrow_table()["k"].to_pylist()
    )


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def append_behind_our_back(tables, keys):
    write_deltalake(tables.path(NAME), pa.table({"k": keys}, SCHEMA), mode="append")


# --- two writers


def test_the_second_of_two_publishers_is_refused(tables):
    stage(tables, [0]).publish()
    first, second = stage(tables, [1]), stage(tables, [2])
    info = first.publish()
    with pytest.raises(ConcurrentWriteError, match=f"version {info.version}"):
        second.publish()
    second.discard()
    assert tables.info(NAME) == info
    assert keys_of(tables) == [1]


def test_the_second_of_two_creators_is_refused(tables):
    first, second = stage(tables, [1]), stage(tables, [2])
    first.publish()
    with pytest.raises(ConcurrentWriteError, match="no table"):
        second.publish()
    second.discard()
    assert keys_of(tables) == [1]


def test_of_many_threads_one_lands(tables):
    stage(tables, [0]).publish()
    stagings = [stage(tables, [n]) for n in range(1, 7)]
    landed, refused = [], []

    def publish(staged):
        try:
            landed.append(staged.publish().version)
        except ConcurrentWriteError as error:
            refused.append(error)
        finally:
            staged.discard()

    threads = [threading.Thread(target=publish, args=(s,)) for s in stagings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(landed) == 1
    assert len(refused) == 5
    assert len(keys_of(tables)) == 1
    assert keys_of(tables) != [0]


def test_a_foreign_append_since_staging_is_not_overwritten(tables):
    stage(tables, [0]).publish()
    staged = stage(tables, [1])
    append_behind_our_back(tables, [7])
    with pytest.raises(ConcurrentWriteError):
        staged.publish()
    staged.discard()
    assert keys_of(tables) == [0, 7]


def test_a_foreign_append_in_the_middle_of_publishing_is_not_lost(tables, monkeypatch):
    stage(tables, [0]).publish()
    staged = stage(tables, [1])
    describe = delta._describe

    def slow_describe(*args):
        describe(*args)
        append_behind_our_back(tables, [7])

    monkeypatch.setattr(delta, "_describe", slow_describe)
    with pytest.raises(ConcurrentWriteError, match="another writer"):
        staged.publish()
    staged.discard()
    assert keys_of(tables) == [0, 7]


def test_a_foreign_table_that_appears_while_creating_stays(tables, monkeypatch):
    staged = stage(tables, [1])
    draft = delta._create_draft

    def slow_draft(*args):
        draft(*args)
        write_deltalake(tables.path(NAME), pa.table({"k": [7]}, SCHEMA))

    monkeypatch.setattr(delta, "_create_draft", slow_draft)
    with pytest.raises(ConcurrentWriteError, match="appeared meanwhile"):
        staged.publish()
    staged.discard()
    assert keys_of(tables) == [7]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(locks, "LOCK_TIMEOUT_SECONDS", 0.05)


def test_publishing_waits_for_the_lock_and_reports_who_does_not_give_it_back(
    tables, home, impatient
):
    staged = stage(tables, [1])
    with (
        locks.table_lock(home, NAME.upper()),
        pytest.raises(ConcurrentWriteError, match="one writer at a time"),
    ):
        staged.publish()
    assert not tables.info(NAME).exists
    staged.publish()
    assert keys_of(tables) == [1]


def test_a_publication_describes_its_own_version_whatever_follows(tables, monkeypatch):
    stage(tables, [0]).publish()
    staged, replace = stage(tables, [1]), delta.replace

    def replace_then_another(*args):
        replace(*args)
        append_behind_our_back(tables, [7])

    monkeypatch.setattr(delta, "replace", replace_then_another)
    info = staged.publish()
    assert keys_of(tables, info.version) == [1]
    assert info.data_version == info.version
    assert tables.info(NAME).version == info.version + 1


# --- who dies


CRASHES = {
    "after staging": "os._exit(9)",
    "while preparing the commit": "delta._adds = lambda files: os._exit(9); staged.publish()",
    "before the table appears": "Path.rename = lambda *_: os._exit(9); staged.publish()",
}


@pytest.mark.parametrize(
    ("existing", "moment"),
    [
        (True, "after staging"),
        (True, "while preparing the commit"),
        (False, "after staging"),
        (False, "before the table appears"),
    ],
)
def test_a_process_that_is_killed_leaves_the_table_as_it_was(tables, home, moment, existing):
    before = stage(tables, [0]).publish() if existing else None
    code = f"""
        import os
        from pathlib import Path
        from ml_assets.platform.embedded import delta
        from ml_assets_tests.platform.test_publishing import *
        tables = EmbeddedTables(Path({str(home)!r}), no_session)
        staged = stage(tables, [1, 2, 3])
        {CRASHES[moment]}
    """
    run_python(code, home, returncode=9)
    if existing:
        assert tables.info(NAME) == before
        assert keys_of(tables) == [0]
    else:
        assert not tables.info(NAME).exists
    left = files_in(tables.path(NAME))
    grow_old(tables)
    stage(tables, [4]).publish()
    assert keys_of(tables) == [4]
    orphans = {path for path in left if path.startswith("data-")} - referenced(tables)
    assert len({path for path in left if path.startswith("data-")}) == 1 + existing
    assert not orphans & files_in(tables.path(NAME))
    assert list((tables.path(NAME) / "_staging").iterdir()) == []


def grow_old(tables):
    """Let everything that waits for publication look two days old."""
    then = time.time() - TWO_DAYS
    for mark in (tables.path(NAME) / "_staging").iterdir():
        os.utime(mark, (then, then))


def referenced(tables):
    table = DeltaTable(tables.path(NAME))
    versions = range(table.version() + 1)
    uris = [u for v in versions for u in DeltaTable(tables.path(NAME), version=v).file_uris()]
    return {"/".join(uri.split("/")[-2:]) for uri in uris}


def test_a_crash_between_description_and_rows_is_repaired(tables, home):
    stage(tables, [0]).publish()
    code = f"""
        import os
        from pathlib import Path
        from ml_assets.platform.embedded import delta
        from ml_assets_tests.platform.test_publishing import *
        tables = EmbeddedTables(Path({str(home)!r}), no_session)
        delta._adds = lambda files: os._exit(9)
        layout = TableLayout(name=NAME, primary_keys=("k",), description="New.", tags={{"a": "b"}})
        stage(tables, [1], layout).publish()
    """
    run_python(code, home, returncode=9)
    assert keys_of(tables) == [0]
    info = stage(tables, [5]).publish()
    assert (info.description, info.tags) == (LAYOUT.description, {})
    assert keys_of(tables) == [5]


def test_a_lock_is_freed_when_its_holder_dies(tables, home, impatient):
    code = f"""
        import os
        from pathlib import Path
        from ml_assets.platform.embedded.locks import table_lock
        with table_lock(Path({str(home)!r}), {NAME!r}):
            os._exit(9)
    """
    run_python(code, home, returncode=9)
    stage(tables, [1]).publish()
    assert keys_of(tables) == [1]


def test_young_stagings_of_others_are_left_alone(tables):
    other = stage(tables, [1])
    mine = stage(tables, [2])
    assert other.folder.exists()
    mine.discard()
    other.publish()
    assert keys_of(tables) == [1]


def test_published_rows_are_never_taken_for_orphans(tables):
    """The process died between its commit and the removal of its mark, two days ago."""
    first = stage(tables, [1])
    first.publish()
    first.staging.mark.touch()
    grow_old(tables)
    second = stage(tables, [2]).publish()
    assert not first.staging.mark.exists()
    assert keys_of(tables, second.version - 1) == [1]


def test_staged_files_that_somebody_removed_are_not_published(tables):
    staged = stage(tables, [1])
    shutil.rmtree(staged.folder)
    with pytest.raises(StorageError, match="no such file"):
        staged.publish()
    assert not tables.info(NAME).exists


# --- interruptions around the commit


def commit_then(monkeypatch, error):
    replace = delta.replace

    def replace_then_raise(*args):
        replace(*args)
        raise error

    monkeypatch.setattr(delta, "replace", replace_then_raise)


def test_a_failure_after_the_commit_does_not_undo_it(tables, monkeypatch):
    """delta-rs raises when the checkpoint that follows a commit fails."""
    stage(tables, [0]).publish()
    staged = stage(tables, [1])
    commit_then(monkeypatch, OSError(28, "No space left on device"))
    info = staged.publish()
    staged.discard()
    assert keys_of(tables, info.version) == [1]


def test_an_interrupt_after_the_commit_keeps_the_rows(tables, monkeypatch):
    stage(tables, [0]).publish()
    staged = stage(tables, [1])
    commit_then(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        staged.publish()
    staged.discard()
    assert keys_of(tables) == [1]


def test_rows_in_several_files_and_folders_are_one_publication(tables):
    def write(folder):
        (folder / "more").mkdir()
        for path, keys in ((folder / "a b.parquet", [1, 2]), (folder / "more" / "c.parquet", [3])):
            pq.write_table(pa.table({"k": keys}, SCHEMA), path)

    info = tables.stage_arrow(SCHEMA, LAYOUT, write).publish()
    assert keys_of(tables, info.version) == [1, 2, 3]
    assert info == tables.info(NAME)


def test_an_interrupt_while_staging_leaves_nothing(tables):
    def interrupted(folder):
        (folder / "half.parquet").write_bytes(b"PAR1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tables.stage_arrow(SCHEMA, LAYOUT, interrupted)
    assert files_in(tables.path(NAME)) == set()


# --- any order of things


class Publishing(RuleBasedStateMachine):
    """Whatever is staged, published, discarded or committed by others, in any order."""

    folder: Path

    @initialize()
    def start(self):
        home = self.folder / f"{time.time_ns()}"
        self.tables = EmbeddedTables(home, no_session)
        self.versions: dict[int, list[int]] = {}
        self.data_version = -1
        self.waiting: list[tuple] = []

    @property
    def latest(self):
        return max(self.versions, default=None)

    @rule(keys=st.lists(st.integers(0, 9), max_size=4))
    def stage(self, keys):
        self.waiting.append((stage(self.tables, keys), sorted(keys), self.latest))

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 9))
    def publish(self, which):
        staged, keys, seen = self.waiting.pop(which % len(self.waiting))
        if seen != self.latest:
            with pytest.raises(ConcurrentWriteError):
                staged.publish()
        else:
            info = staged.publish()
            self.data_version = info.version
            self.versions[info.version] = keys
        staged.discard()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 9))
    def discard(self, which):
        self.waiting.pop(which % len(self.waiting))[0].discard()

    @precondition(lambda self: self.versions)
    @rule(key=st.integers(10, 19))
    def foreign_append(self, key):
        append_behind_our_back(self.tables, [key])
        self.versions[self.latest + 1] = sorted([*self.versions[self.latest], key])
        self.data_version = self.latest

    @precondition(lambda self: self.versions)
    @rule(text=st.text("ab", min_size=1, max_size=3))
    def foreign_description(self, text):
        table = DeltaTable(self.tables.path(NAME))
        # Put back at once: our next publication then needs no commit of its own for it.
        for description in (text, LAYOUT.description):
            table.alter.set_table_description(description)
            self.versions[self.latest + 1] = self.versions[self.latest]

    @invariant()
    def the_table_is_what_was_published(self):
        info = self.tables.info(NAME)
        assert info.exists == bool(self.versions)
        if self.versions:
            assert info.version == self.latest
            assert info.data_version == self.data_version
            assert keys_of(self.tables) == self.versions[self.latest]

    def teardown(self):
        for version, keys in self.versions.items():
            assert keys_of(self.tables, version) == keys
        waiting = {staged.folder.name for staged, *_ in self.waiting}
        folder = self.tables.path(NAME)
        marks = {m.name for m in (folder / "_staging").glob("*")}
        assert marks == waiting
        live = {path.split("/")[0] for path in referenced(self.tables)} if self.versions else set()
        assert {d.name for d in folder.glob("data-*")} <= live | waiting


def test_any_order_of_events(tmp_path):
    Publishing.folder = tmp_path
    Publishing.TestCase.settings = settings(
        max_examples=15,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    Publishing.TestCase("runTest").runTest()
