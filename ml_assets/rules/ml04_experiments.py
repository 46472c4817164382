"""ML-04: every run is in the experiment for its purpose, by exact name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.rules.rule import AssetKind, Finding, Rule

if TYPE_CHECKING:
    from ml_assets.rules.facts import ModelFacts, PredictionFacts, VersionFacts
    from ml_assets.spec.model import ModelSpec, Purpose

PURPOSES: dict[AssetKind, Purpose] = {
    "trained_model": "development",
    "model_version": "evaluation",
    "predictions": "deployment",
}


def experiment_names(
    spec: ModelSpec, asset: str, facts: ModelFacts | VersionFacts | PredictionFacts
) -> Finding:
    """Compare the run's experiment with the name that its purpose asks for."""
    expected = spec.experiment(PURPOSES[asset])  # type: ignore[index]
    return Finding(
        passed=facts.experiment == expected,
        message=f"the run is in experiment {facts.experiment!r}; expected {expected!r}.",
        fix=f"materialize {asset} again; runs belong in {expected} (an absolute path that starts with /Shared/)",
        numbers={"experiment": facts.experiment},
    )


RULES = tuple(
    Rule(
        "ml04_experiment_names",
        "ML-04",
        asset,
        "error",
        f"The run is in the {purpose} experiment, by exact name",
        experiment_names,
    )
    for asset, purpose in PURPOSES.items()
)
