"""What is installed where this runs: a job of ``ml-assets doctor --run`` prints it."""

from __future__ import annotations

import json
import platform
from importlib import metadata

#: What the line starts with, so that it is found in the log of a job.
MARK = "ML_ASSETS_INSTALLED "
#: Packages that the steps use on Databricks.
PACKAGES = (
    "ml_assets",
    "databricks-feature-engineering",
    "mlflow",
    "mlflow-skinny",
    "numpy",
    "pandas",
    "pyspark",
    "scikit-learn",
    "skops",
    "xgboost",
)


def installed() -> dict[str, str]:
    """Versions by package, and Python's; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if "pyspark" not in found and (version := _spark_of_the_runtime()):
        found["pyspark"] = version
    return found


def main() -> None:
    """Print the versions on one line."""
    print(MARK + json.dumps(installed()), flush=True)  # noqa: T201 - it is what this program is for


def _spark_of_the_runtime() -> str | None:
    """A Databricks cluster brings pyspark without telling the package index of Python."""
    try:
        import pyspark
    except ModuleNotFoundError:
        return None
    return str(pyspark.__version__)
