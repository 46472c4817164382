"""The doctor on this machine."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from ml_assets import cli
from ml_assets.orchestration.doctor import machine, packages
from ml_assets.orchestration.doctor.result import Check, Result
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from ml_assets_tests.orchestration.doctor.conftest import Clinic


def test_this_machine_is_fine(clinic: Clinic, home: Path) -> None:
    results = clinic.results()
    assert [r for r in results.values() if r.state == "broken"] == []
    assert results["definitions"].found.startswith("8 assets and 2 jobs")
    assert results["MLflow"].state == "unknown"
    assert not home.exists()  # looking leaves nothing behind


@pytest.mark.slow
def test_mlflow_s_database_is_opened(clinic: Clinic, home: Path) -> None:
    from ml_assets.platform.embedded.tracking import embedded_store

    embedded_store(home).client.create_experiment("one")
    assert clinic.results()["MLflow"].found == f"{home / 'mlflow.db'}, 2 experiments"
    (home / "mlflow.db").write_bytes(b"this is no database" * 100)
    broken = clinic.results()["MLflow"]
    assert broken.state == "broken"
    assert broken.fix


def test_a_home_that_cannot_be_written(home: Path) -> None:
    home.write_text("a file, where the folder should be")
    assert machine.home().state == "broken"


def test_a_full_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=machine.ENOUGH - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert "GB left" in machine.home().found


def test_dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "missing"))
    assert machine.dagster_home().state == "broken"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert "no dagster.yaml" in machine.dagster_home().found
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    found = machine.dagster_home()
    assert (found.state, found.found) == ("fine", f"{tmp_path}, SqliteRunStorage, 0 runs")


@pytest.mark.slow
def test_dagster_s_database_is_down(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[3] / "deploy" / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(text.replace("port: 5432", "port: 9"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    for name, value in {"HOST": "127.0.0.1", "DB": "d", "USER": "u", "PASSWORD": "hidden"}.items():
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", value)
    found = clinic.results()["DAGSTER_HOME"]
    assert found.state == "broken"
    assert "that its database runs" in found.fix
    assert "hidden" not in found.found


def _pretend(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    real = metadata.version

    def version(name: str) -> str:
        found = versions.get(name.replace("-", "_"), real)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found if isinstance(found, str) else real(name)

    monkeypatch.setattr(metadata, "version", version)


def test_packages_as_declared() -> None:
    assert packages.packages("embedded").state == "fine"


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        ({"pyspark": "4.3.0"}, "pyspark 4.3.0 is installed, pyspark<4.3,>=4.2 is what works"),
        ({"pandas": "3.0.0"}, "pandas 3.0.0 is installed"),
        ({"pysail": None}, "pysail is missing"),
    ],
)
def test_a_package_of_the_wrong_version(
    installed: dict[str, str | None], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, **installed)
    found = packages.packages("embedded")
    assert found.state == "broken"
    assert words in found.found
    # The orchestrator of Databricks needs none of them.
    assert packages.packages("databricks").state == "fine"


def test_pyspark_and_databricks_connect_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages.one_pyspark().state == "fine"
    _pretend(monkeypatch, databricks_connect="17.0.1")
    found = packages.one_pyspark()
    assert found.state == "broken"
    assert "pip uninstall" in found.fix
    _pretend(monkeypatch, databricks_connect="17.0.1", pyspark=None)
    assert packages.one_pyspark().state == "fine"


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.10.4")
    assert packages.python().found == "3.10.4, not >=3.11"


def test_what_goes_wrong_while_looking_is_what_was_found() -> None:
    def teaching() -> Result:
        raise DataError("the table", found="nothing", expected="rows", fix="fill it")

    def unforeseen() -> Result:
        raise KeyError("x")

    found = Check("a", teaching).run()
    assert (found.state, found.found, found.fix) == ("broken", "the table: nothing", "fill it")
    assert Check("b", unforeseen).run().found == "KeyError: 'x'"


def test_the_command_returns_one_when_something_is_broken(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_definitions", clinic.load)
    assert cli.main(["doctor"]) == 0
    assert "Nothing to fix." in capsys.readouterr().out
    _pretend(monkeypatch, pandas="3.0.0")
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "✗ packages" in printed
    assert "fix: make setup" in printed
    assert "1 of 8 checks found something to fix." in printed
