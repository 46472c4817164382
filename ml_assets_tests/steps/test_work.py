"""What crosses to a cluster and back is the same on both sides."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from ml_assets.rules.verdict import Verdict
from ml_assets.spec.catalog import ColumnInfo, TableInfo
from ml_assets.spec.errors import SpecError
from ml_assets.steps.work import Report, Task, TaskError, Work, plain
from ml_assets_tests.tiny import spec


def across(values: dict[str, Any]) -> dict[str, Any]:
    """Send it as text."""
    crossed: dict[str, Any] = json.loads(json.dumps(values))
    return crossed


def test_work_arrives_as_it_was_sent() -> None:
    work = Work(
        spec=spec(),
        tasks=(
            Task("labels", build=False, checks=("ml05_binary_labels",)),
            Task("training_set", build=True),
        ),
        handles={"labels": {"table": "a.b.c", "delta_version": 3}},
        judged={"features/visits": (3, None)},
        trace={"dagster_run_id": "r"},
    )
    arrived = Work.from_json(across(work.to_json()))
    assert arrived == work
    assert arrived.spec.hash == work.spec.hash
    assert arrived.spec.package == work.spec.package


def test_a_declaration_that_is_understood_in_another_way_is_refused() -> None:
    sent = Work(spec(), ()).to_json()
    sent["spec"]["schedule"] = "1 1 * * *"
    with pytest.raises(SpecError, match="install the same version of ml_assets on both sides"):
        Work.from_json(across(sent))


def test_a_report_arrives_as_it_was_sent() -> None:
    verdict = Verdict(
        "ml03_no_nan",
        "ML-03",
        passed=False,
        severity="error",
        message="2 NaN",
        fix="declare a default",
        numbers={"nan": 2, "share": 0.5, "gap": math.inf, "none": None},
        table=({"column": "x", "nan": 2},),
        blocking=False,
    )
    report = Report(
        "labels",
        build=True,
        handle={"rows": 3, "inputs": {"a.b.c": 1}},
        verdicts=(verdict,),
        details={"metrics": {"roc_auc": 0.5}},
        table=TableInfo("a.b.c", exists=True, version=2, columns=(ColumnInfo("x", "double"),)),
        measured={"delta_version": 2},
        error=TaskError("DataError: x", "Traceback", ours=True),
        started=1.0,
        ended=2.5,
    )
    assert Report.from_json(across(report.to_json())) == report


def test_numbers_of_numpy_cross_as_numbers() -> None:
    values = plain({"n": np.int64(3), "x": np.float32(0.5), "ok": np.bool_(True), "rows": [(1,)]})
    assert values == {"n": 3, "x": 0.5, "ok": True, "rows": [[1]]}
    assert [type(v) for v in values.values()] == [int, float, bool, list]
