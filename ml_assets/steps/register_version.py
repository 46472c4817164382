"""``model_version``: replay, evaluate, register, and move the champion alias if every gate holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import VersionFacts
from ml_assets.spec.grants import model_grants
from ml_assets.steps.handles import RunHandle, VersionHandle
from ml_assets.steps.prepared import NothingToUndo, run_tags
from ml_assets.steps.replay import replay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_assets.platform.protocol import Platform, RunInfo
    from ml_assets.rules.facts import ReplayFacts
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs

CHAMPION = "champion"
OWNER_TAG = "ml_assets.name"
GATES_TAG = "ml_assets.gates"
REFUSED = "refused"
EVALUATION_TAG = "ml_assets.evaluation_run_id"
DEVELOPMENT_TAG = "ml_assets.development_run_id"


@dataclass
class Candidate(NothingToUndo):
    """A packaged model with its evaluation; registered on publish and on refuse, promoted on publish."""

    spec: ModelSpec
    platform: Platform
    trained: RunHandle
    facts: VersionFacts
    evaluation: RunInfo

    def publish(self, verdicts: Sequence[Verdict]) -> VersionHandle:
        """Register the version and point the champion alias at it."""
        registry, name = self.platform.registry, self.spec.registered_model
        version = self._register(verdicts)
        before = registry.version_of(name, CHAMPION)
        if before != version:
            registry.tag(name, version, {"ml_assets.previous_champion": str(before or "")})
            registry.set_alias(name, CHAMPION, version)
        registry.tag(name, version, {GATES_TAG: "passed"})
        self.facts = replace(self.facts, version=version, champion=version)
        return self._handle(version, version)

    def refuse(self, verdicts: Sequence[Verdict]) -> VersionHandle:
        """Register the version with the reasons; the champion stays."""
        version = self._register(verdicts)
        self.facts = replace(self.facts, version=version)
        return self._handle(version, self.facts.champion)

    def details(self) -> Mapping[str, Any]:
        """Holdout metrics beside the baseline's."""
        return {
            **{f"holdout_{k}": v for k, v in self.facts.metrics.items()},
            **{f"baseline_{k}": v for k, v in self.facts.baseline.items()},
        }

    def _register(self, verdicts: Sequence[Verdict]) -> int:
        refused = [v for v in verdicts if not v.passed and v.severity == "error"]
        tags = {
            "ml_assets.spec_hash": self.spec.hash,
            EVALUATION_TAG: self.evaluation.run_id,
            OWNER_TAG: self.spec.name,
            GATES_TAG: REFUSED if refused else "passed, not promoted yet",
            "ml_assets.refused": "; ".join(f"{v.check}: {v.message}" for v in refused)[:1000],
        }
        registry, name = self.platform.registry, self.spec.registered_model
        version = registry.register(
            name,
            model_uri=self.trained.model_uri,
            run_id=self.trained.run_id,
            tags=tags,
            description=self.spec.description,
        )
        registry.grant(name, model_grants(self.spec.grants))
        return version

    def _handle(self, version: int, champion: int | None) -> VersionHandle:
        return VersionHandle(
            self.spec.registered_model,
            version,
            champion,
            self.evaluation.run_id,
            self.evaluation.url,
            self.evaluation.experiment,
        )


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> Candidate:
    """Score the package again from raw keys, and log the evaluation run."""
    trained = inputs.handles["trained_model"]
    assert isinstance(trained, RunHandle)  # noqa: S101 - the graph declares this type
    stored = platform.tracking.info(trained.run_id)
    replayed = replay(spec, platform, run_id=trained.run_id, model_uri=trained.model_uri)
    versions = {trained.training_set: trained.training_set_version}
    with platform.tracking.run(
        spec.experiment("evaluation"),
        name=f"evaluate {trained.run_id[:8]}",
        tags={
            **run_tags(spec, inputs, versions),
            DEVELOPMENT_TAG: trained.run_id,
        },
    ) as run:
        measured = {
            k: v for k, v in stored.metrics.items() if k.startswith(("holdout_", "baseline_"))
        }
        run.log(metrics={**measured, **replay_metrics(replayed)})
    evaluation = platform.tracking.info(run.run_id)
    facts = _facts(spec, platform, trained=stored, evaluation=evaluation, replayed=replayed)
    return Candidate(spec, platform, trained, facts, evaluation)


def measure(spec: ModelSpec, platform: Platform, inputs: Inputs) -> VersionFacts:
    """Replay and measure again the version that serves: the champion.

    Without a champion it is the version that was registered last. So a refused challenger does
    not keep a good champion from scoring: executing the checks alone says how the champion is.

    Raises
    ------
    DataError
        When the version or one of its runs does not exist any more.
    """
    handle = inputs.handles[inputs.asset]
    assert isinstance(handle, VersionHandle)  # noqa: S101 - the graph declares this type
    registry, name = platform.registry, handle.registered_model
    version = registry.version_of(name, CHAMPION) or handle.model_version
    evaluation = platform.tracking.info(registry.tags(name, version)[EVALUATION_TAG])
    stored = platform.tracking.info(evaluation.tags[DEVELOPMENT_TAG])
    uri = registry.uri(name, version)
    replayed = replay(spec, platform, run_id=stored.run_id, model_uri=uri)
    facts = _facts(spec, platform, trained=stored, evaluation=evaluation, replayed=replayed)
    return replace(facts, version=version)


def replay_metrics(replayed: ReplayFacts) -> dict[str, float]:
    """Numbers of the replay for the evaluation run."""
    counts = {k: v for k, v in vars(replayed).items() if k != "changed_features"}
    changed = len(replayed.changed_features)
    return {f"replay_{k}": float(v) for k, v in {**counts, "changed_features": changed}.items()}


def _facts(
    spec: ModelSpec,
    platform: Platform,
    *,
    trained: RunInfo,
    evaluation: RunInfo,
    replayed: ReplayFacts,
) -> VersionFacts:
    def part(prefix: str) -> dict[str, float]:
        return {
            k.removeprefix(prefix): v for k, v in trained.metrics.items() if k.startswith(prefix)
        }

    return VersionFacts(
        model=spec.registered_model,
        version=None,
        run_id=trained.run_id,
        experiment=evaluation.experiment,
        metrics={k: v for k, v in part("holdout_").items() if k != "rows"},
        baseline=part("baseline_"),
        replay=replayed,
        champion=platform.registry.version_of(spec.registered_model, CHAMPION),
    )
