"""How a model is trained: which rows, and what is fitted on them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ml_assets.spec.base import Count, Declared, Duration, Frozen, ImportPath, Number
from ml_assets.spec.frozen import freeze, thaw
from ml_assets.spec.wording import CHECK, refusal


class Split(Declared):
    """How the training set is divided by time."""

    holdout: Number = Field(default=0.2, gt=0, lt=1, json_schema_extra={CHECK: "ml06_time_overlap"})
    """Share of the label rows, the last ones by event time, that are held out."""
    embargo: Duration = Field(
        default="1 day", validate_default=True, json_schema_extra={CHECK: "ml06_time_overlap"}
    )
    """Rows this close before the holdout are in neither part; left out, at least ``label.horizon``."""


def _plain(value: Any) -> Any:
    try:
        return freeze(value)
    except TypeError as error:
        raise refusal(
            f"a Python object of type {error}",
            expected="true, false, a number, text, null, or lists and mappings of them",
            fix="write the parameter as plain values, so that it can be logged and hashed",
        ) from None


class Distributed(Declared):
    """Training on several machines at once, by ``xgboost.spark``, for rows that outgrow one.

    Needs classic Spark (on Databricks a cluster with dedicated access, not serverless) with a free
    task slot for each worker. Training rows stay on the cluster, the holdout is scored on one node.
    """

    num_workers: Count = Field(ge=1, examples=[4])
    """XGBoost workers, each one Spark task that holds its share of the training rows in memory."""


class Estimator(Declared):
    """What is fitted on the training rows."""

    cls: ImportPath | None = Field(default=None, alias="class", examples=["xgboost.XGBClassifier"])
    """Import path of a scikit-learn compatible classifier or regressor, as the model type asks.

    Without it ``xgboost.XGBClassifier``, for regression ``xgboost.XGBRegressor``.
    """
    params: Frozen[str, Annotated[Any, BeforeValidator(_plain)]] = Field(
        default={"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1},
        validate_default=True,
        examples=[{"n_estimators": 200, "max_depth": 4}],
    )
    """Keyword arguments of the estimator."""
    encoding: Literal["ordinal", "one_hot"] = "ordinal"
    """How string features are encoded inside the packaged model."""
    allow_pickle: bool = Field(default=False, json_schema_extra={CHECK: "ml02_flavor_recorded"})
    """Store the model as a pickle when it cannot be stored otherwise; said in the log and recorded.

    Loading a pickle runs code that is in it. XGBoost, LightGBM and scikit-learn's own estimators do
    not need it.
    """
    distributed: Distributed | None = None
    """XGBoost only: fit on the workers of a Spark cluster. Without it on one node, in memory."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The parameters as plain lists and dictionaries, to be handed to the estimator.

        Libraries look for exactly these types, and store them with the model.
        """
        return {name: thaw(value) for name, value in self.params.items()}
