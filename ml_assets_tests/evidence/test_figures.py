"""The figures of an evaluation: which files, and that their numbers are scikit-learn's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from ml_assets.evidence.figures import FIGURES, write_figures
from ml_assets.evidence.numbers import MOST_CLASSES, MOST_DOTS, MOST_POINTS, roc, thinned
from ml_assets.spec.model_types import KINDS
from ml_assets_tests import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.spec.model import ModelSpec

PNG = b"\x89PNG\r\n\x1a\n"


def spec_of(model_type: str, classes: list[str] | None = None) -> ModelSpec:
    label = tiny.mapping()["label"]
    del label["threshold"]
    metric = KINDS[model_type].metrics[0]  # type: ignore[index]
    more = {"classes": classes or ["low", "mid", "high"]} if "multi" in model_type else {}
    return tiny.spec(
        model_type=model_type,
        label={**label, **more},
        gates={metric: {"min": 0.1}},
        estimator={},
    )


def two_classes(rows: int = 500, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    probability = np.clip(0.35 + 0.3 * label + rng.normal(0, 0.2, rows), 0, 1).round(2)
    prediction = (probability > 0.5).astype("int64")
    return pd.DataFrame({"spends": label, "prediction": prediction, "probability": probability})


def many_classes(classes: int = 3, rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    label = rng.integers(0, classes, rows)
    prediction = np.where(rng.random(rows) < 0.7, label, rng.integers(0, classes, rows))
    return pd.DataFrame({"spends": label, "prediction": prediction})


def some_numbers(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    label = rng.gamma(2.0, 5.0, rows)
    return pd.DataFrame({"spends": label, "prediction": label * 0.8 + rng.normal(1, 2, rows)})


def anomalies(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    odd = rng.random(rows) < 0.1
    score = rng.normal(0.4, 0.05, rows) + 0.15 * odd
    label = pd.array(np.where(odd, -1, 1), dtype="Int64")
    label[rng.random(rows) < 0.5] = pd.NA
    prediction = np.where(score > 0.5, -1, 1)
    return pd.DataFrame({"spends": label, "prediction": prediction, "anomaly_score": score})


HOLDOUTS: dict[str, pd.DataFrame] = {
    "binary_classification": two_classes(),
    "probability": two_classes().assign(prediction=lambda rows: rows["probability"]),
    "multiclass_classification": many_classes(),
    "regression": some_numbers(),
    "anomaly_detection": anomalies(),
}
TWO_CLASSES = ["roc", "precision_recall", "calibration", "scores"]
NAMES = {
    "binary_classification": TWO_CLASSES,
    "probability": TWO_CLASSES,
    "multiclass_classification": ["confusion_matrix", "per_class"],
    "regression": ["predicted_actual", "residuals"],
    "anomaly_detection": ["anomaly_scores", "roc", "precision_recall"],
}


def drawn(spec: ModelSpec, holdout: pd.DataFrame, folder: Path) -> dict[str, Any]:
    files = write_figures(spec, holdout, folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in files)
    assert all(p.read_bytes().startswith(PNG) for p in files if p.suffix == ".png")
    return {p.stem: json.loads(p.read_text()) for p in files if p.suffix == ".json"}


@pytest.mark.parametrize("model_type", KINDS)
def test_every_model_type_has_its_figures(model_type: str, tmp_path: Path) -> None:
    assert set(FIGURES) == set(KINDS)
    files = write_figures(spec_of(model_type), HOLDOUTS[model_type], tmp_path)
    assert [p.name for p in files] == [
        f"{name}.{ending}" for name in NAMES[model_type] for ending in ("json", "png")
    ]
    assert all(p.stat().st_size < 60_000 for p in files)
    assert all("undefined" not in p.read_text() for p in files if p.suffix == ".json")


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_figures(spec_of("regression"), some_numbers(5000), tmp_path / folder)
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / f).iterdir()} for f in "ab")
    assert first == second


def test_curves_and_calibration_are_those_of_scikit_learn(tmp_path: Path) -> None:
    rows = two_classes(120)
    y, p = rows["spends"], rows["probability"]
    found = drawn(spec_of("binary_classification"), rows, tmp_path)

    fpr, tpr, thresholds = metrics.roc_curve(y, p)
    assert found["roc"]["false_positive_rate"] == pytest.approx(fpr, abs=1e-6)
    assert found["roc"]["true_positive_rate"] == pytest.approx(tpr, abs=1e-6)
    assert found["roc"]["threshold"][0] is None
    assert found["roc"]["threshold"][1:] == pytest.approx(thresholds[1:], abs=1e-6)
    assert found["roc"]["roc_auc"] == metrics.roc_auc_score(y, p)

    precision, recall, _ = metrics.precision_recall_curve(y, p)
    assert found["precision_recall"]["precision"] == pytest.approx(precision, abs=1e-6)
    assert found["precision_recall"]["recall"] == pytest.approx(recall, abs=1e-6)
    assert found["precision_recall"]["average_precision"] == metrics.average_precision_score(y, p)
    assert found["precision_recall"]["base_rate"] == y.mean()

    observed, predicted = calibration_curve(y, p, n_bins=10)
    assert found["calibration"]["observed"] == pytest.approx(observed, abs=1e-6)
    assert found["calibration"]["predicted"] == pytest.approx(predicted, abs=1e-6)
    assert sum(found["calibration"]["rows_in_bin"]) == len(rows)
    assert len(found["calibration"]["rows_in_bin"]) == len(observed)

    counts = found["scores"]["counts"]["spends = 1"]
    assert counts == np.histogram(p[y == 1], 20, (0, 1))[0].tolist()


def test_the_confusion_matrix_has_the_names_of_the_classes(tmp_path: Path) -> None:
    rows = many_classes()
    found = drawn(spec_of("multiclass_classification"), rows, tmp_path)
    assert found["confusion_matrix"]["classes"] == ["low", "mid", "high"]
    expected = metrics.confusion_matrix(rows["spends"], rows["prediction"])
    assert found["confusion_matrix"]["matrix"] == expected.tolist()
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        rows["spends"], rows["prediction"]
    )
    per_class = found["per_class"]
    assert per_class["precision"] == pytest.approx(precision, abs=1e-6)
    assert per_class["recall"] == pytest.approx(recall, abs=1e-6)
    assert per_class["f1"] == pytest.approx(f1, abs=1e-6)
    assert per_class["rows_of_class"] == support.tolist()


def test_of_many_classes_the_small_ones_are_added_up(tmp_path: Path) -> None:
    rows = many_classes(classes=60, rows=3000)
    names = [f"class {i}" for i in range(60)]
    found = drawn(spec_of("multiclass_classification", names), rows, tmp_path)["confusion_matrix"]
    assert len(found["classes"]) == len(found["matrix"]) == MOST_CLASSES
    assert found["classes"][-1] == "(others)"
    assert sum(map(sum, found["matrix"])) == len(rows)
    counts = rows["spends"].value_counts()
    shown = {
        names.index(n): sum(r) for n, r in zip(found["classes"][:-1], found["matrix"], strict=False)
    }
    assert shown == {place: counts[place] for place in shown}
    assert min(shown.values()) >= max(counts.drop(list(shown)))


def test_a_large_regression_shows_a_sample_and_counts_every_row(tmp_path: Path) -> None:
    rows = some_numbers(20_000)
    found = drawn(spec_of("regression"), rows, tmp_path)
    dots, off = found["predicted_actual"], found["residuals"]
    assert (dots["rows"], dots["rows_shown"], len(dots["actual"])) == (20_000, MOST_DOTS, MOST_DOTS)
    gap = rows["prediction"] - rows["spends"]
    assert sum(off["counts"]) == off["rows"] == 20_000
    assert off["mean"] == pytest.approx(gap.mean())
    assert off["quantiles"] == pytest.approx({q: gap.quantile(float(q)) for q in off["quantiles"]})


def test_anomalies_show_the_flagged_share_and_curves_of_known_outcomes(tmp_path: Path) -> None:
    rows = anomalies()
    found = drawn(spec_of("anomaly_detection"), rows, tmp_path)
    flagged = rows["prediction"] == -1
    assert found["anomaly_scores"]["flagged_share"] == flagged.mean()
    assert {k: sum(v) for k, v in found["anomaly_scores"]["counts"].items()} == {
        "not flagged": (~flagged).sum(),
        "flagged": flagged.sum(),
    }
    known = rows[rows["spends"].notna()]
    assert found["roc"]["rows"] == len(known)
    expected = metrics.roc_auc_score(known["spends"] == -1, known["anomaly_score"])
    assert found["roc"]["roc_auc"] == expected > 0.9


def test_anomalies_that_nobody_judged_have_no_curves(tmp_path: Path) -> None:
    rows = anomalies().assign(spends=None)
    assert list(drawn(spec_of("anomaly_detection"), rows, tmp_path)) == ["anomaly_scores"]


@pytest.mark.parametrize("model_type", KINDS)
def test_an_empty_holdout_says_so_in_every_figure(model_type: str, tmp_path: Path) -> None:
    found = drawn(spec_of(model_type), HOLDOUTS[model_type].head(0), tmp_path)
    assert found
    assert {name: of["rows"] for name, of in found.items()} == dict.fromkeys(found, 0)
    assert {of["undefined"] for of in found.values()} == {
        "there are no rows with a label and a prediction"
    }


def test_one_class_has_no_curves_and_says_why(tmp_path: Path) -> None:
    rows = two_classes(50).assign(spends=1)
    found = drawn(spec_of("binary_classification"), rows, tmp_path)
    for name in ("roc", "precision_recall"):
        assert found[name] == {
            "title": found[name]["title"],
            "left_out": 0,
            "rows": 50,
            "undefined": "all 50 rows are of one class",
        }
    assert sum(found["scores"]["counts"]["spends = 1"]) == 50


@pytest.mark.parametrize("bad", [np.nan, np.inf, None])
@pytest.mark.parametrize("model_type", KINDS)
def test_rows_without_a_finite_score_are_left_out_and_counted(
    model_type: str, bad: float | None, tmp_path: Path
) -> None:
    rows = HOLDOUTS[model_type].copy()
    column = rows.columns[-1]
    rows[column] = rows[column].astype("object" if bad is None else "float64")
    rows.loc[rows.index[:7], column] = bad
    found = drawn(spec_of(model_type), rows, tmp_path)
    assert {of["left_out"] for of in found.values()} == {7}
    assert found[NAMES[model_type][0]]["rows"] == len(rows) - 7


@pytest.mark.parametrize("model_type", ["regression", "binary_classification"])
def test_one_row_and_constant_values_can_be_drawn(model_type: str, tmp_path: Path) -> None:
    assert drawn(spec_of(model_type), HOLDOUTS[model_type].head(1), tmp_path)
    constant = pd.concat([HOLDOUTS[model_type].head(1)] * 9)
    assert drawn(spec_of(model_type), constant, tmp_path)


def test_a_long_curve_is_thinned_without_losing_its_shape() -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(200_000) < 0.1
    scores = rng.normal(positive, 1.0)
    found = roc(positive, scores)
    assert MOST_POINTS / 2 < len(found["threshold"]) <= MOST_POINTS + 1
    area = metrics.auc(found["false_positive_rate"], found["true_positive_rate"])
    assert area == pytest.approx(found["roc_auc"], abs=1e-4)
    assert found["roc_auc"] == metrics.roc_auc_score(positive, scores)


def test_thinning_keeps_both_ends_and_small_gaps() -> None:
    x = np.linspace(0, 1, 100_000)
    y = np.where(x < 0.001, x * 900, 0.9 + x / 10)
    kept = thinned(x, y)
    assert (kept[0], kept[-1]) == (0, len(x) - 1)
    assert (np.diff(kept) > 0).all()
    gaps = np.abs(np.diff(x[kept])) + np.abs(np.diff(y[kept]))
    assert gaps.max() < 2.2 * 2 / MOST_POINTS


def test_importing_the_figures_imports_no_heavy_library() -> None:
    code = "import sys, ml_assets.evidence.figures; print([m for m in ('matplotlib', 'numpy', 'pandas', 'sklearn') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_drawing_leaves_no_trace_in_matplotlib(tmp_path: Path) -> None:
    code = f"""
import pandas as pd
from pathlib import Path
from ml_assets.evidence.figures import write_figures
from ml_assets_tests import tiny
rows = pd.DataFrame({{"spends": [0, 1], "prediction": [0, 1], "probability": [0.2, 0.7]}})
assert len(write_figures(tiny.spec(), rows, Path({str(tmp_path)!r}))) == 8
import sys
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
