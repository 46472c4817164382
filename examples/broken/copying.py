"""The shop, built once: examples that start from it get a copy."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from examples.broken.gallery import declared
from examples.broken.running import Outcome, build, run
from ml_assets.platform.embedded import EmbeddedPlatform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from examples.broken.gallery import Example
    from ml_assets.steps.work import Report

#: Where MLflow's store keeps addresses of artifacts.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True)
class Shop:
    """The whole shop in a home folder, and what was reported when it was built."""

    home: Path
    reports: Mapping[str, Report]

    @classmethod
    def built(cls, folder: Path) -> Shop:
        """Build it in a folder, and put MLflow's empty store beside it."""
        home, platform = folder / "home", EmbeddedPlatform(home=folder / "home")
        platform.registry.versions(declared({}).registered_model)
        shutil.copy(home / "mlflow.db", folder / "empty.db")
        return cls(home, build(declared({}), platform))

    def outcome(self, example: Example) -> Outcome:
        """Run an example on a copy, or on an empty home when it does not start from the shop."""
        with tempfile.TemporaryDirectory(prefix="ml_assets-broken-") as folder:
            home = Path(folder).resolve() / "home"
            if example.after:
                self._copy(home)
            else:  # creating the store takes longer than most examples
                home.mkdir()
                shutil.copy(self.home.parent / "empty.db", home / "mlflow.db")
            return run(
                example, EmbeddedPlatform(home=home), self.reports if example.after else None
            )

    def _copy(self, home: Path) -> None:
        shutil.copytree(self.home, home)
        with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as store, store:
            for table, column in _PLACES:
                store.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608
                    (self.home.as_uri(), home.as_uri()),
                )
