"""A model whose steps do nothing but remember, so that orchestration can be tried alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Self

import dagster as dg
from deltalake import DeltaTable

from ml_assets.orchestration.model_defs import build_model_defs
from ml_assets.orchestration.names import asset_key
from ml_assets.orchestration.resources import Sharing
from ml_assets.platform.embedded.warehouse import data_version, home_folder, table_path
from ml_assets.rules.rule import Finding, Rule
from ml_assets.spec.catalog import ColumnInfo, TableInfo
from ml_assets.spec.model import ModelSpec
from ml_assets.steps import worker
from ml_assets.steps.graph import Step, steps_of
from ml_assets.steps.handles import PredictionsHandle, RunHandle, TableHandle, VersionHandle
from ml_assets.steps.recipe import Recipe
from ml_assets.steps.work import Report, Work

DECLARATION: dict[str, Any] = {
    "project": "shop",
    "model": "churn",
    "registered_model": "main.shop.churn",
    "owners": ["team:ml"],
    "sources": {
        "visits": {"table": "main.raw.visits", "seed": "shop.seeds.visits"},
        "people": {"table": "main.raw.people", "description": "People, filled by the CRM."},
    },
    "feature_tables": [
        {
            "name": "activity",
            "table": "main.shop.activity",
            "transform": "shop.features.activity",
            "sources": ["visits"],
            "business": "How often people came.",
            "technical": "Counts by day.",
            "tags": {"domain": "shop", "model": "churn"},
            "primary_keys": ["person"],
            "event_time": "day",
            "lookback": "7 days",
            "columns": {"visits_7d": {"comment": "Visits in 7 days", "default": 0}},
        },
        {
            "name": "profile",
            "table": "main.shop.profile",
            "transform": "shop.features.profile",
            "sources": ["people"],
            "primary_keys": ["person"],
            "columns": {"age": {"default": -1}},
        },
    ],
    "label": {
        "name": "left",
        "table": "main.shop.labels",
        "transform": "shop.features.labels",
        "sources": ["visits"],
        "keys": ["person"],
        "event_time": "day",
        "column": "days_away",
        "threshold": 30,
    },
    "training_set": "main.shop.training_set",
    "gates": {"roc_auc": {"min": 0.6}},
    "scoring": {
        "table": "main.shop.predictions",
        "keys": "shop.features.to_score",
        "sources": ["people"],
    },
}


def make_spec(**changes: Any) -> ModelSpec:
    """The declaration of the test model, with fields replaced."""
    return ModelSpec.model_validate({**DECLARATION, **changes})


@dataclass
class World:
    """What the steps did, and what they shall do."""

    red: set[str] = field(default_factory=set)
    errors: dict[str, Exception] = field(default_factory=dict)
    measure_errors: dict[str, Exception] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    keeps_refused: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    discarded: list[str] = field(default_factory=list)
    opened: int = 0

    def recipe(self) -> Recipe:
        """The real graph with steps that only remember, and two or three rules for each asset."""
        return Recipe(self._steps, self.checks_for, self.judge)

    def _steps(self, spec: ModelSpec) -> tuple[Step, ...]:
        return tuple(
            replace(s, build=self.build, measure=self.measure if s.measure else None)
            for s in steps_of(spec)
        )

    def checks_for(self, _: ModelSpec, asset: str) -> tuple[Rule, ...]:
        kind = asset.split("/", maxsplit=1)[0]
        return tuple(r for r in self.rules() if r.asset == kind)

    def rules(self) -> tuple[Rule, ...]:
        def rule(name: str, asset: Any, severity: Any = "error", *, skips: bool = False) -> Rule:
            return Rule(name, "ML-00", asset, severity, f"Title of {name}", self.find(name), skips)

        return (
            rule("keys_unique", "features"),
            rule("mostly_defaults", "features", "warn"),
            rule("binary", "labels"),
            rule("not_single_class", "labels", skips=True),
            rule("no_leak", "training_set"),
            rule("has_signature", "trained_model"),
            rule("gates", "model_version"),
            rule("complete", "predictions"),
        )

    def find(self, name: str) -> Any:
        def look(spec: ModelSpec, asset: str, facts: Any) -> Finding:
            passed = name not in self.red
            return Finding(
                passed=passed,
                message=f"{name}: 3 of 10.",
                fix=f"repair {name}",
                numbers={"rows": 10, "share": 0.3, "exact": True, "type": "int", "nothing": None},
                table=({"key": "a", "n": 1}, {"key": "b", "n": None}),
            )

        return look

    def judge(self, spec: ModelSpec, asset: str, facts: Any) -> tuple[Any, ...]:
        return tuple(r.judge(spec, asset, facts) for r in self.checks_for(spec, asset))

    def build(self, spec: ModelSpec, platform: Any, inputs: Any) -> FakePrepared:  # noqa: ARG002
        self.built.append(inputs.asset)
        self.inputs[inputs.asset] = inputs
        if error := self.errors.get(inputs.asset):
            raise error
        return FakePrepared(self, spec, inputs.asset)

    def measure(self, spec: ModelSpec, platform: Any, inputs: Any) -> Any:  # noqa: ARG002
        self.measured.append(inputs.asset)
        self.inputs[inputs.asset] = inputs
        if error := self.measure_errors.get(inputs.asset):
            raise error
        return self.facts.get(inputs.asset) or self._stored(spec, inputs.asset)

    def _stored(self, spec: ModelSpec, asset: str) -> Any:
        """The version in the home, where a test wrote the table there; otherwise 41."""
        table = next(s.table for s in steps_of(spec) if s.asset == asset)
        version = data_version(home_folder(), table) if table else None
        return SimpleNamespace(
            table=SimpleNamespace(name=asset, version=41 if version is None else version)
        )

    def open(self) -> Any:
        self.opened += 1
        return SimpleNamespace(tables=SimpleNamespace(info=self.info))

    def info(self, name: str) -> TableInfo:
        columns = (
            ColumnInfo("person", "string", nullable=False),
            ColumnInfo("x", "double", "An x"),
        )
        stored = data_version(home_folder(), name)
        return TableInfo(
            name,
            exists=True,
            version=41 if stored is None else DeltaTable(table_path(home_folder(), name)).version(),
            data_version=-1 if stored is None else stored,
            primary_keys=("person",),
            columns=columns,
        )


@dataclass
class FakePrepared:
    """Work that leaves nothing but a handle."""

    world: World
    spec: ModelSpec
    asset: str
    facts: Any = None

    def publish(self, verdicts: Any) -> Any:  # noqa: ARG002
        version = self.world.versions[self.asset] = self.world.versions.get(self.asset, -1) + 1
        step = next(s for s in steps_of(self.spec) if s.asset == self.asset)
        table = (step.table or "", version, f"/warehouse/{step.table}", 10, {"main.raw.visits": 0})
        inputs = {
            t.table: self.world.versions.get(f"features/{t.name}", -1)
            for t in self.spec.feature_tables
        }
        made = {
            TableHandle: lambda: TableHandle(*table[:4], inputs),
            PredictionsHandle: lambda: PredictionsHandle(*table, "run2", "http://x/2", "dep", 1),
            RunHandle: lambda: RunHandle(
                "run1", "http://x/1", "dev", "runs:/run1/model", "t", version
            ),
            VersionHandle: lambda: VersionHandle(
                "main.shop.churn", 1, None, "run1", "http://x/1", "ev"
            ),
        }
        return made[step.handle]()

    def refuse(self, verdicts: Any) -> Any:
        if self.asset in self.world.keeps_refused:
            return self.publish(verdicts)
        self.world.discarded.append(self.asset)
        return None

    def details(self) -> dict[str, Any]:
        return self.world.details.get(self.asset, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


@dataclass
class Launcher:
    """Stands for the resource that submits job runs: the work crosses as JSON, and is done here."""

    world: World
    works: list[Work] = field(default_factory=list)

    @contextmanager
    def launch(self, context: Any, work: Work, whole: Work | None = None) -> Iterator[JobRun]:  # noqa: ARG002
        self.works.append(work)
        yield JobRun(self.world, Work.from_json(json.loads(json.dumps(work.to_json()))))


@dataclass
class JobRun:
    """A job run that does its work when its reports are asked for."""

    world: World
    work: Work
    url: str = "http://databricks/run/7"
    run_id: int = 7

    def reports(self) -> Iterator[Report]:
        sent: list[Report] = []
        worker.run(self.work, self.world.open(), self.world.recipe(), sent.append)
        for report in sent:
            yield Report.from_json(json.loads(json.dumps(report.to_json())))


@dataclass
class Bench:
    """A model on an instance: run it in whole or in part, look at what Dagster recorded."""

    world: World
    spec: ModelSpec
    instance: dg.DagsterInstance
    sharing: Sharing | None = None
    launcher: Launcher = field(init=False)

    def __post_init__(self) -> None:
        self.launcher = Launcher(self.world)

    @property
    def resources(self) -> dict[str, Any]:
        return {"databricks": self.launcher} if self.sharing else {"platform": self.world}

    def definitions(self) -> dg.Definitions:
        hardcoded = dg.ResourceDefinition.hardcoded_resource
        return dg.Definitions.merge(
            build_model_defs(self.spec, self.world.recipe(), self.sharing),
            dg.Definitions(resources={k: hardcoded(v) for k, v in self.resources.items()}),
        )

    def run(self, *assets: str) -> dg.ExecuteInProcessResult:
        """Run the model's job, or some of its assets with their checks."""
        selection = [asset_key(self.spec, a) for a in assets] or None
        job = self.definitions().resolve_job_def("shop__churn")
        return job.execute_in_process(
            instance=self.instance, raise_on_error=False, asset_selection=selection
        )

    def check(self, asset: str, *names: str) -> dg.ExecuteInProcessResult:
        """Execute checks of an asset alone."""
        names = names or tuple(rule.check for rule in self.world.checks_for(self.spec, asset))
        keys = [dg.AssetCheckKey(asset_key(self.spec, asset), name) for name in names]
        return self.select(dg.AssetSelection.checks(*keys))

    def select(self, selection: dg.AssetSelection) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            list(self.definitions().assets or []),
            selection=selection,
            instance=self.instance,
            resources=self.resources,
            raise_on_error=False,
        )

    def metadata(self, asset: str) -> dict[str, Any]:
        event = self.instance.get_latest_materialization_event(asset_key(self.spec, asset))
        assert event is not None
        assert event.asset_materialization is not None
        return dict(event.asset_materialization.metadata)


MakeBench = Callable[..., Bench]


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    """Names of the assets that a run materialized."""
    events = result.get_asset_materialization_events()
    return {"/".join(e.asset_key.path[2:]) for e in events if e.asset_key}


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    """``asset:check`` of the checks that failed in a run."""
    return {
        f"{'/'.join(e.asset_key.path[2:])}:{e.check_name}"
        for e in result.get_asset_check_evaluations()
        if not e.passed
    }


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """What the run page shows as the reason of the first failed step."""
    for event in result.all_events:
        if event.is_step_failure:
            return event.step_failure_data.error_display_string
    raise AssertionError("no step failed")
