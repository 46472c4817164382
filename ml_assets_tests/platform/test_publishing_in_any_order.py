"""Whatever is staged, published, discarded or committed by others, in any order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ml_assets.platform.embedded.tables import EmbeddedTables
from ml_assets.spec.errors import ConcurrentWriteError
from ml_assets_tests.platform.planes import (
    LAYOUT,
    NAME,
    append_behind_our_back,
    keys_of,
    no_session,
    referenced,
    stage,
)


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
