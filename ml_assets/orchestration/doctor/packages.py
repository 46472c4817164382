"""Python and the installed packages, against what ml_assets itself declares."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

from ml_assets.orchestration.doctor.result import Result, broken, fine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.requirements import Requirement

PROJECT = "ml_assets"
#: What has to be installed for each platform (extras of pyproject.toml).
EXTRAS = {"embedded": ("embedded", "dagster"), "databricks": ("dagster",)}


def python() -> Result:
    """The interpreter's version is one that ml_assets supports."""
    from packaging.specifiers import SpecifierSet

    here = platform.python_version()
    wanted = metadata.metadata(PROJECT)["Requires-Python"]
    if SpecifierSet(wanted).contains(here, prereleases=True):
        return fine("Python", here)
    return broken("Python", f"{here}, not {wanted}", f"install Python {wanted} and run make setup")


def packages(platform_name: str) -> Result:
    """Every package that the platform needs is installed, in a version that is known to work."""
    extras = EXTRAS[platform_name]
    wanted = list(_requirements(extras))
    wrong = [text for r in wanted if (text := _wrong(r))]
    if wrong:
        command = f"make setup (or: pip install '{PROJECT}[{','.join(extras)}]')"
        return broken("packages", "\n".join(wrong), command)
    shown = ("dagster", "databricks-sdk", "pyspark", "pysail", "pandas", "mlflow")
    versions = [f"{name} {v}" for name in shown if (v := _installed(name))]
    return fine("packages", f"{len(wanted)} as declared: {', '.join(versions)}")


def one_pyspark() -> Result:
    """Pyspark and databricks-connect are not both installed: they are the same Python package."""
    both = {name: v for name in ("pyspark", "databricks-connect") if (v := _installed(name))}
    listed = " and ".join(f"{name} {v}" for name, v in both.items())
    if len(both) < 2:  # noqa: PLR2004 - both of them
        return fine(
            "one pyspark", listed or "neither pyspark nor databricks-connect (none is needed)"
        )
    return broken(
        "one pyspark",
        f"{listed}: each overwrites files of the other",
        "pip uninstall -y pyspark databricks-connect, then make setup: ml_assets does not need "
        "databricks-connect",
    )


def _requirements(extras: Sequence[str]) -> Iterator[Requirement]:
    from packaging.requirements import Requirement

    for text in metadata.requires(PROJECT) or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": e}) for e in ("", *extras)):
            yield requirement


def _wrong(requirement: Requirement) -> str:
    """Say what is wrong with an installed package; empty when nothing is."""
    installed = _installed(requirement.name)
    wanted = f"{requirement.name}{requirement.specifier}"
    if installed is None:
        return f"{requirement.name} is missing ({wanted})"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{requirement.name} {installed} is installed, {wanted} is what works"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
