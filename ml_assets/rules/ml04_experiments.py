"""ML-04: every run is in the experiment for its purpose, and says where it comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ml_assets.rules.rule import AssetKind, Finding, Rule, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

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


#: What a run says of itself, by the word for it.
TRACE = {
    "git commit": "ml_assets.git_commit",
    "spec hash": "ml_assets.spec_hash",
    "Dagster run id": "ml_assets.dagster_run_id",
}
INPUTS_TAG = "ml_assets.input_versions"
_FIXES = {
    "git commit": "run from a git checkout, or set ML_ASSETS_GIT_COMMIT where there is none (an image)",
    "spec hash": "materialize it again with this version of ml_assets",
    "Dagster run id": "materialize it by Dagster",
}


def run_traceable(
    spec: ModelSpec, asset: str, facts: ModelFacts | VersionFacts | PredictionFacts
) -> Finding:
    """Look for the commit, the declaration, the Dagster run and the inputs' Delta versions."""
    tags = facts.run_tags
    lost = [word for word, tag in TRACE.items() if not tags.get(tag)]
    versions = _versions(tags)
    tables = [t for t in input_tables(spec, asset) if not isinstance(versions.get(t), int)]
    commit = tags.get(TRACE["git commit"], "")
    shown = f"commit {commit or 'unknown'}, {len(versions)} input tables with their Delta versions"
    missing = [*lost, *(f"Delta version of {t}" for t in tables)]
    advice = [_FIXES[word] for word in lost]
    return Finding(
        passed=not missing,
        message=f"the run does not say: {listed(missing)}."
        if missing
        else f"the run says: {shown}.",
        fix="; ".join(
            advice or [f"materialize {asset} again: it records the versions that it reads"]
        ),
        numbers={**{word: tags.get(tag) for word, tag in TRACE.items()}},
        table=tuple({"table": t, "delta_version": v} for t, v in sorted(versions.items())),
    )


def input_tables(spec: ModelSpec, asset: str) -> tuple[str, ...]:
    """The tables that an asset's run stands on, and whose Delta versions it must name."""
    features = tuple(t.table for t in spec.feature_tables)
    if asset == "predictions":
        return (*features, *(spec.sources[name].table for name in spec.scoring.sources))
    made_from = (spec.label.table,) if asset == "trained_model" else ()
    return (spec.training_set, *features, *made_from)


def _versions(tags: Mapping[str, str]) -> dict[str, int]:
    try:
        found = json.loads(tags.get(INPUTS_TAG, "{}"))
    except ValueError:  # it was cut off: there are no versions to read
        return {}
    return dict(found) if isinstance(found, dict) else {}


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
) + tuple(
    Rule(
        "ml04_run_traceable",
        "ML-04",
        asset,
        "warn",
        "The run names its commit, declaration, Dagster run and the Delta version of every input",
        run_traceable,
    )
    for asset in PURPOSES
)
