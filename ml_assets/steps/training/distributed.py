"""Training on a cluster: ``xgboost.spark`` over the stored training rows, which stay there.

The result is the same ordinary model that training on one node gives: an XGBoost estimator, behind
the same encoder when there are strings. So it is packaged, evaluated and scored like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import TrainingError
from ml_assets.spec.imports import load_object
from ml_assets.steps.measuring.sampling import key_hash
from ml_assets.steps.training.training_rows import TRAIN

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column, DataFrame, SparkSession

    from ml_assets.spec.model import ModelSpec
    from ml_assets.spec.training import Distributed
    from ml_assets.steps.training.training_rows import TrainingRows

_FIELD = "estimator.distributed"
_LABEL = "__label"
_LONGEST = 1000


def refuse_other_sessions(spark: SparkSession, distributed: Distributed) -> None:
    """Refuse Spark Connect, and fewer task slots than workers (Spark would wait for ten minutes).

    Raises
    ------
    TrainingError
        Naming the session, or the slots.
    """
    from pyspark.sql import SparkSession as Classic

    if not isinstance(spark, Classic):
        raise TrainingError(
            _FIELD,
            found=f"a Spark Connect session (Spark {spark.version})",
            expected="classic Spark: the workers need barrier tasks, which Spark Connect has not",
            fix="on Databricks run on a cluster with dedicated access (not serverless, not standard "
            "access); on a laptop remove estimator.distributed",
        )
    slots = _slots(spark)
    if slots < distributed.num_workers:
        raise TrainingError(
            f"{_FIELD}.num_workers",
            found=f"{distributed.num_workers} workers on {slots} task slots",
            expected="a task slot for each worker at the same time",
            fix=f"declare num_workers: {slots}, or take a larger cluster without autoscaling",
        )


def fit_on_cluster(spec: ModelSpec, spark: SparkSession, model: Any, rows: TrainingRows) -> Any:
    """Fit ``model`` (an unfitted XGBoost estimator, or a pipeline of encoder and estimator).

    The same stored rows are dealt to the workers in the same way every time.

    Raises
    ------
    TrainingError
        When a parameter is not for distributed training, or a worker fails; the original error
        stays attached.
    """
    train = rows.part(TRAIN)
    if not rows.strings:
        frame = _numbers(train, list(spec.features))
        return _fit(spec, model, _dealt(spec, frame, rows), list(spec.features), named=True)
    columns = model.named_steps["columns"]
    levels = _levels(train, spec.features, rows.strings)
    codes = columns.fit(levels).transform(levels)
    inputs = [str(name) for name in columns.get_feature_names_out()]
    for name in rows.strings:
        found = dict(zip(levels[name], codes[:, inputs.index(name)], strict=True))
        train = _encoded(spark, train, name, found)
    frame = _dealt(spec, _numbers(train, inputs), rows)
    _fit(spec, model.named_steps["estimator"], frame, inputs, named=False)
    return model


def _fit(
    spec: ModelSpec, estimator: Any, frame: DataFrame, inputs: list[str], *, named: bool
) -> Any:
    """Let the workers fit, and load what they learned into the estimator."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    path, distribution = spec.kind.spark_estimator, spec.estimator.distributed
    assert path is not None  # noqa: S101 - the declaration was refused otherwise
    assert distribution is not None  # noqa: S101 - the caller's condition
    workers = distribution.num_workers
    kind = load_object(path, field=_FIELD, package=None)
    try:
        distributed = kind(
            **{"verbose": False, **spec.estimator.arguments},
            features_col=inputs,
            label_col=_LABEL,
            num_workers=workers,
            **({"feature_names": inputs} if named else {}),
        )
        booster = distributed.fit(frame).get_booster()
    except (ValueError, TypeError, RuntimeError, PySparkException, Py4JError) as error:
        raise TrainingError(
            f"estimator {path} with {workers} workers",
            found=f"fitting failed: {str(error)[:_LONGEST]}",
            expected=f"a fit on the stored training rows and {len(inputs)} features",
            fix="look at the checks of training_set and labels, and at estimator.params: xgboost.spark "
            "does not take all of them; the executors need the driver's Python (PYSPARK_PYTHON)",
        ) from error
    estimator.load_model(booster.save_raw("ubj"))
    return estimator


def _numbers(frame: DataFrame, inputs: list[str]) -> DataFrame:
    """Type the features as on one node: double, with NaN for null."""
    from pyspark.sql import functions as F

    nan = F.lit(float("nan"))
    return frame.select(
        "*", *(F.coalesce(F.col(f"`{n}`").cast("double"), nan).alias(_typed(n)) for n in inputs)
    )


def _dealt(spec: ModelSpec, frame: DataFrame, rows: TrainingRows) -> DataFrame:
    """One partition for each worker, by the hash of keys and event time, in order."""
    from pyspark.sql import functions as F

    assert spec.estimator.distributed is not None  # noqa: S101 - the caller's condition
    hashed = key_hash(spec.label_keys)
    dealt = frame.repartition(spec.estimator.distributed.num_workers, hashed)
    ordered = dealt.sortWithinPartitions(*rows.order)
    typed: list[Column] = [
        F.col(f"`{c}`").alias(c.removeprefix(_typed("")))
        for c in frame.columns
        if c.startswith(_typed(""))
    ]
    return ordered.select(*typed, F.col(f"`{spec.label.name}`").alias(_LABEL))


def _typed(name: str) -> str:
    return f"__number_{name}"


def _levels(train: DataFrame, features: tuple[str, ...], strings: tuple[str, ...]) -> pd.DataFrame:
    """A small frame with every level of every string feature, null as None, as an encoder is fitted.

    Shorter columns repeat a level; numbers, which an encoder does not look at, are 0.
    """
    import pandas as pd
    from pyspark.sql import functions as F

    found = train.agg(
        *(F.collect_set(F.col(f"`{n}`")) for n in strings),
        *(F.count_if(F.col(f"`{n}`").isNull()) for n in strings),
    ).collect()[0]
    columns = {
        name: [*found[i], *([None] if found[len(strings) + i] else [])]
        for i, name in enumerate(strings)
    }
    longest = max(len(levels) for levels in columns.values())
    padded = {n: [*v, *([v[0]] * (longest - len(v)))] for n, v in columns.items()}
    return pd.DataFrame(
        {
            name: pd.Series(padded[name], dtype=object) if name in padded else 0.0
            for name in features
        }
    )


def _encoded(
    spark: SparkSession, frame: DataFrame, name: str, codes: dict[str | None, float]
) -> DataFrame:
    """Replace a string feature by the codes of its levels."""
    from pyspark.sql import functions as F

    rows = [(level, float(code)) for level, code in codes.items()]
    table = F.broadcast(spark.createDataFrame(rows, "__level string, __code double"))
    joined = frame.join(table, F.col(f"`{name}`").eqNullSafe(F.col("__level")), "left")
    others = [F.col(f"`{c}`") for c in frame.columns if c != name]
    return joined.select(*others, F.col("__code").alias(name))


def _slots(spark: SparkSession) -> int:
    """Tasks that the cluster can run at the same time; Spark has no public word for it."""
    context = spark.sparkContext._jsc.sc()  # noqa: SLF001
    profile = context.resourceProfileManager().defaultResourceProfile()
    return int(context.maxNumConcurrentTasks(profile))
