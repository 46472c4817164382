"""What no gate looks at may fail: nothing that was made is lost, and people see that it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.evidence import drawing
from ml_assets.platform.embedded.feature_store import EmbeddedFeatureStore
from ml_assets.steps.handles import PredictionsHandle, VersionHandle
from ml_assets.steps.serving.evaluation import FIGURES_ERROR_TAG
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import red, run_steps

if TYPE_CHECKING:
    import pytest
    from mlflow import MlflowClient

    from ml_assets.steps.execution import Outcome
    from ml_assets_tests.steps.conftest import Shop


def fails(*_: Any, **__: Any) -> None:
    message = "no font of that name\nStack trace"
    raise RuntimeError(message)


def once_more(shop: Shop, asset: str) -> Outcome:
    handles = {a: h for a, h in shop.handles.items() if a not in {asset, "predictions"}}
    return run_steps(tiny.spec(), shop.platform, until=asset, handles=handles)[asset]


def test_a_figure_that_cannot_be_drawn_costs_no_candidate_and_is_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(drawing, "draw_calibration", fails)
    outcome = once_more(shop, "model_version")
    assert red(outcome.verdicts) == []
    assert isinstance(outcome.handle, VersionHandle)
    assert outcome.details["figures_error"] == "RuntimeError: no font of that name"
    assert "a figure of the evaluation could not be drawn" in caplog.text
    assert "test_beside_the_gates.py" in caplog.text  # the traceback
    run = outcome.handle.run_id
    assert shop.platform.tracking.info(run).tags[FIGURES_ERROR_TAG].startswith("RuntimeError: no")
    client: MlflowClient = shop.platform.registry.store.client
    drawn = {f.path for f in client.list_artifacts(run, "figures")}
    assert {"figures/roc.png", "figures/roc.json"} <= drawn


def test_without_trouble_nothing_is_said(shop: Shop) -> None:
    outcome = shop.outcomes["model_version"]
    assert isinstance(outcome.handle, VersionHandle)
    assert "figures_error" not in outcome.details
    assert FIGURES_ERROR_TAG not in shop.platform.tracking.info(outcome.handle.run_id).tags


def test_an_error_of_the_engine_in_measuring_drift_costs_no_predictions_and_is_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(EmbeddedFeatureStore, "look_up", fails)
    before = shop.platform.tables.info(tiny.spec().scoring.table).version
    outcome = once_more(shop, "predictions")
    assert isinstance(outcome.handle, PredictionsHandle)
    assert outcome.handle.delta_version > before
    assert red(outcome.verdicts) == ["predictions_drift"]
    (drift,) = [v for v in outcome.verdicts if not v.passed]
    assert (drift.severity, drift.stops) == ("warn", False)
    assert "not measured: RuntimeError: no font of that name;" in drift.message
    assert "execute this check again" in drift.fix
    assert "could not be measured" in caplog.text
    assert "test_beside_the_gates.py" in caplog.text
