"""A table changes in one commit or not at all, whoever dies or is interrupted on the way."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from ml_assets.platform.embedded import delta, locks
from ml_assets.platform.embedded.tables import EmbeddedTables
from ml_assets.spec.errors import StorageError
from ml_assets_tests.platform.planes import (
    LAYOUT,
    NAME,
    SCHEMA,
    files_in,
    keys_of,
    no_session,
    referenced,
    stage,
)
from ml_assets_tests.platform.processes import run_python

TWO_DAYS = 2 * 24 * 3600


@pytest.fixture
def tables(home):
    return EmbeddedTables(home, no_session)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(locks, "LOCK_TIMEOUT_SECONDS", 0.05)


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
        from ml_assets.platform.embedded.tables import EmbeddedTables
        from ml_assets_tests.platform.planes import *
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


def test_a_crash_between_description_and_rows_is_repaired(tables, home):
    stage(tables, [0]).publish()
    code = f"""
        import os
        from pathlib import Path
        from ml_assets.platform.embedded import delta
        from ml_assets.platform.embedded.tables import EmbeddedTables
        from ml_assets_tests.platform.planes import *
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


def test_an_interrupt_while_staging_leaves_nothing(tables):
    def interrupted(folder):
        (folder / "half.parquet").write_bytes(b"PAR1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tables.stage_arrow(SCHEMA, LAYOUT, interrupted)
    assert files_in(tables.path(NAME)) == set()
