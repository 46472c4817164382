"""A table changes in one commit or not at all, whoever else writes."""

from __future__ import annotations

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from ml_assets.platform.embedded import delta, locks
from ml_assets.platform.embedded.tables import EmbeddedTables
from ml_assets.spec.errors import ConcurrentWriteError
from ml_assets_tests.platform.planes import (
    LAYOUT,
    NAME,
    SCHEMA,
    append_behind_our_back,
    keys_of,
    no_session,
    stage,
)


@pytest.fixture
def tables(home):
    return EmbeddedTables(home, no_session)


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


def test_rows_in_several_files_and_folders_are_one_publication(tables):
    def write(folder):
        (folder / "more").mkdir()
        for path, keys in ((folder / "a b.parquet", [1, 2]), (folder / "more" / "c.parquet", [3])):
            pq.write_table(pa.table({"k": keys}, SCHEMA), path)

    info = tables.stage_arrow(SCHEMA, LAYOUT, write).publish()
    assert keys_of(tables, info.version) == [1, 2, 3]
    assert info == tables.info(NAME)
