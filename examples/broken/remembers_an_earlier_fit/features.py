"""An estimator that is not as new as it looks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from xgboost import XGBClassifier


class Remembering(XGBClassifier):
    """Keeps the labels of the first fit, and learns those again whatever it is given."""

    labels: ClassVar[Any] = None

    def fit(self, features: Any, labels: Any) -> Self:
        """Fit on what the class remembers."""
        if Remembering.labels is None:
            Remembering.labels = labels
        super().fit(features, Remembering.labels)
        return self
