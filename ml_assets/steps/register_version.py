"""``model_version``: evaluate, register, and move the champion alias if every gate holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_assets.rules.facts import VersionFacts
from ml_assets.spec.errors import DataError, PromotionError
from ml_assets.spec.grants import model_grants
from ml_assets.steps.handles import RunHandle, VersionHandle
from ml_assets.steps.prepared import NothingToUndo, run_tags
from ml_assets.steps.serving.comparison import Champion
from ml_assets.steps.serving.evaluation import FIGURES_ERROR_TAG, evaluate
from ml_assets.steps.serving.may_serve import rollback_trouble
from ml_assets.steps.serving.moves import Desk, Move, move_champion
from ml_assets.steps.serving.promotion import recorded
from ml_assets.steps.serving.replay import replay
from ml_assets.steps.serving.version_tags import (
    CHALLENGER,
    CHAMPION,
    CLASSES_TAG,
    DEPLOYMENT_TAG,
    DEVELOPMENT_TAG,
    EVALUATION_TAG,
    FORCED,
    FORCED_TAG,
    GATES_TAG,
    HOLDOUT_TAG,
    OWNER_TAG,
    PASSED,
    PREVIOUS_TAG,
    REASONS_TAG,
    REFUSED,
    ROLLED_BACK_TAG,
    SPEC_TAG,
    TARGET_TAG,
    class_list,
    target,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml_assets.platform.protocol import Platform, RunInfo
    from ml_assets.rules.facts import ReplayFacts
    from ml_assets.rules.verdict import Verdict
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Inputs
    from ml_assets.steps.serving.evaluation import Evaluation

_MAX_REASONS = 1000


@dataclass
class Candidate(NothingToUndo):
    """A packaged model with its evaluation; registered on publish and on refuse, promoted on publish."""

    spec: ModelSpec
    platform: Platform
    inputs: Inputs
    trained: RunHandle
    facts: VersionFacts
    evaluation: Evaluation

    def publish(self, verdicts: Sequence[Verdict]) -> VersionHandle:
        """Register the version and point the champion alias at it.

        When somebody else moved the alias after the comparison it stays theirs, and the facts say so.
        """
        before = self.facts.champion
        version = self._register(verdicts)
        if version == before:
            champion = self._desk.champion()  # somebody may have moved it while this was measured
            self.facts = replace(
                self.facts, version=version, champion=champion, overtaken=champion != version
            )
            return self._handle(version, champion)
        try:
            self._promote(version, verdicts)
        except PromotionError:
            champion = self._desk.champion()
            self._desk.registry.set_alias(self._desk.name, CHALLENGER, version)
            self.facts = replace(self.facts, version=version, champion=champion, overtaken=True)
            return self._handle(version, champion)
        record = recorded(self._desk.tags(version))
        self.facts = replace(self.facts, version=version, champion=version, rollback_to=record)
        return self._handle(version, version)

    def refuse(self, verdicts: Sequence[Verdict]) -> VersionHandle:
        """Register the version with the reasons as the challenger; the champion stays."""
        version = self._register(verdicts)
        if version != self.facts.champion:
            self._desk.registry.set_alias(self._desk.name, CHALLENGER, version)
        self.facts = replace(self.facts, version=version)
        return self._handle(version, self.facts.champion)

    def details(self) -> Mapping[str, Any]:
        """Holdout metrics beside the baseline's, and why figures are missing when some are."""
        undrawn = self.evaluation.run.tags.get(FIGURES_ERROR_TAG)
        return {
            **{f"holdout_{k}": v for k, v in self.facts.metrics.items()},
            **{f"baseline_{k}": v for k, v in self.facts.baseline.items()},
            **({"figures_error": undrawn} if undrawn else {}),
        }

    @property
    def _desk(self) -> Desk:
        return Desk(self.spec, self.platform.registry, self.platform.tracking)

    def _promote(self, version: int, verdicts: Sequence[Verdict]) -> None:
        why = next((v.message for v in verdicts if v.check == "promotion_beats_champion"), "")
        evaluation = self.evaluation.run
        move = Move(
            "promote",
            version,
            self.facts.champion,
            who=self.inputs.trace.get("started_by", "Dagster"),
            reason=f"every gate holds; {why}",
            tags={
                **run_tags(self.spec, self.inputs, {}),
                "ml_assets.input_versions": evaluation.tags["ml_assets.input_versions"],
                EVALUATION_TAG: evaluation.run_id,
                "ml_assets.evaluation_run_url": evaluation.url,
                DEVELOPMENT_TAG: self.trained.run_id,
                "ml_assets.development_run_url": self.trained.run_url,
            },
        )
        run = move_champion(self._desk, move)
        link = {DEPLOYMENT_TAG: run.run_id, "ml_assets.deployment_run_url": run.url}
        self.platform.tracking.tag(evaluation.run_id, link)

    def _register(self, verdicts: Sequence[Verdict]) -> int:
        refused = [v for v in verdicts if not v.passed and v.severity == "error"]
        reasons = "; ".join(f"{v.check}: {v.message}" for v in refused)
        tags = {
            SPEC_TAG: self.spec.hash,
            TARGET_TAG: target(self.spec),
            CLASSES_TAG: class_list(self.spec),
            HOLDOUT_TAG: self.evaluation.holdout_from,
            EVALUATION_TAG: self.evaluation.run.run_id,
            DEVELOPMENT_TAG: self.trained.run_id,
            OWNER_TAG: self.spec.name,
            **self._verdict(reasons[:_MAX_REASONS]),
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

    def _verdict(self, reasons: str) -> dict[str, str]:
        """What a version says of its gates (``reasons``: why it was refused) and of the champion before it.

        Of the version that serves neither is said anew: it was promoted, perhaps by force, and what was
        before it stays true. Nobody compares it with another one, so a refused version whose alias
        somebody set by hand stays refused.
        """
        version = self.facts.version
        gates = {GATES_TAG: REFUSED if reasons else PASSED, REASONS_TAG: reasons}
        if version is not None and version == self.facts.champion:
            said = self._desk.tags(version).get(GATES_TAG)
            return {} if said in {PASSED, FORCED, REFUSED} else gates
        if reasons:
            return gates
        return {**gates, PREVIOUS_TAG: str(self.facts.champion or "")}

    def _handle(self, version: int, champion: int | None) -> VersionHandle:
        evaluation = self.evaluation.run
        return VersionHandle(
            self.spec.registered_model,
            version,
            champion,
            evaluation.run_id,
            evaluation.url,
            evaluation.experiment,
        )


def build(spec: ModelSpec, platform: Platform, inputs: Inputs) -> Candidate:
    """Evaluate the package in a run of its own, beside the champion."""
    trained = inputs.handles["trained_model"]
    assert isinstance(trained, RunHandle)  # noqa: S101 - the graph declares this type
    registry, name = platform.registry, spec.registered_model
    champion = registry.version_of(name, CHAMPION)
    registered = registry.version_of_run(name, trained.run_id)
    tags = {v: registry.tags(name, v) for v in {champion, registered} if v is not None}
    opponent = None
    if champion is not None and champion != registered:
        opponent = Champion(champion, tags[champion])
    evaluation = evaluate(spec, platform, inputs, trained=trained, champion=opponent)
    facts = replace(
        _facts(spec, evaluation.trained, evaluation.run, evaluation.replayed),
        version=registered,
        champion=champion,
        comparison=evaluation.comparison,
        **_history(platform, spec, champion, tags),
    )
    if registered is not None and registered != champion:
        facts = replace(facts, rolled_back=tags[registered].get(ROLLED_BACK_TAG, ""))
    if registered != champion:
        facts = replace(facts, forced="")  # that speaks of the champion
    return Candidate(spec, platform, inputs, trained, facts, evaluation)


def measure(spec: ModelSpec, platform: Platform, inputs: Inputs) -> VersionFacts:
    """Replay and measure again the version that serves: the champion.

    Without a champion it is the version that was registered last. So a refused challenger does
    not keep a good champion from scoring: executing the checks alone says how the champion is.

    Raises
    ------
    DataError
        When the version or one of its runs does not exist any more, or it was never evaluated.
    """
    handle = inputs.handles[inputs.asset]
    assert isinstance(handle, VersionHandle)  # noqa: S101 - the graph declares this type
    registry, name = platform.registry, handle.registered_model
    champion = registry.version_of(name, CHAMPION)
    version = champion or handle.model_version
    tags = {version: registry.tags(name, version)}
    if EVALUATION_TAG not in tags[version]:
        raise DataError(
            f"{name} version {version}",
            found="no evaluation run in its tags: something else than ml_assets registered it",
            expected=f"the tag {EVALUATION_TAG}",
            fix=f"ml-assets promote {spec.name} --version N --reason … with a version that passed, "
            "or materialize model_version",
            rule="promotion_absolute",
        )
    evaluation = platform.tracking.info(tags[version][EVALUATION_TAG])
    stored = platform.tracking.info(evaluation.tags[DEVELOPMENT_TAG])
    uri = registry.uri(name, version)
    replayed = replay(spec, platform, run_id=stored.run_id, model_uri=uri)
    return replace(
        _facts(spec, stored, evaluation, replayed),
        version=version,
        champion=champion,
        **_history(platform, spec, champion, tags),
    )


def _history(
    platform: Platform,
    spec: ModelSpec,
    champion: int | None,
    tags: Mapping[int, Mapping[str, str]],
) -> dict[str, Any]:
    """What the champion says of how it came to serve, and of who was before it."""
    if champion is None:
        return {}
    said = tags[champion]
    before = recorded(said)
    forced = said.get(FORCED_TAG, "") if said.get(GATES_TAG) == FORCED else ""
    return {
        "rollback_to": before,
        "rollback_trouble": rollback_trouble(spec, platform.registry, before) if before else "",
        "forced": f"forced by {forced}" if forced else "",
    }


def _facts(
    spec: ModelSpec, trained: RunInfo, evaluation: RunInfo, replayed: ReplayFacts
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
        run_tags=evaluation.tags,
    )
