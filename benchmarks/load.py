"""What loading the definitions costs beyond importing Dagster."""

from __future__ import annotations

import sys

from benchmarks.harness import Figure, Side, stopwatch

FIGURES = (
    Figure(
        name="code_location",
        title="loading ml_assets.definitions : import dagster",
        ours="load:ours",
        other="load:dagster_alone",
        target=2.0,
        kind="seconds beyond",
        rounds=7,
    ),
)
_HEAVY = ("pyspark", "mlflow", "pandas", "xgboost", "duckdb", "deltalake", "sklearn", "pyarrow")


def ours(scale: float) -> Side:  # noqa: ARG001 - sides share one signature
    """Load everything that `dagster dev` loads."""
    with stopwatch() as timer:
        from ml_assets.definitions import defs

        # What is loaded lazily is loaded now, as Dagster does.
        repository = defs if not callable(defs) else defs()
        assets = len(list(repository.resolve_all_asset_specs()))
    loaded = [name for name in _HEAVY if name in sys.modules]
    assert not loaded, f"loading the definitions imports {', '.join(loaded)}"
    return Side(timer.seconds, 0, detail=f"{assets} assets")


def dagster_alone(scale: float) -> Side:  # noqa: ARG001 - sides share one signature
    """Import Dagster and nothing else."""
    with stopwatch() as timer:
        import dagster

    return Side(timer.seconds, 0, detail=f"dagster {dagster.__version__}")
