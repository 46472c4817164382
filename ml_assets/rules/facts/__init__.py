"""What was measured: plain counts, sets and small tables. Rules see nothing else."""

from ml_assets.rules.facts.columns import ColumnFacts, Spread
from ml_assets.rules.facts.drift import ColumnDrift, DriftFacts
from ml_assets.rules.facts.feature_table import BeforeFacts, FeatureTableFacts, SourceFacts
from ml_assets.rules.facts.labels import ChampionLabels, LabelFacts
from ml_assets.rules.facts.leakage import FeatureAlone, LeakageFacts
from ml_assets.rules.facts.lookups import LookupFacts
from ml_assets.rules.facts.model_version import (
    ComparisonFacts,
    MetricDifference,
    ReplayFacts,
    VersionFacts,
)
from ml_assets.rules.facts.predictions import PredictionFacts
from ml_assets.rules.facts.trained_model import ModelFacts
from ml_assets.rules.facts.training_set import TrainingSetFacts

Facts = (
    FeatureTableFacts | LabelFacts | TrainingSetFacts | ModelFacts | VersionFacts | PredictionFacts
)

__all__ = [
    "BeforeFacts",
    "ChampionLabels",
    "ColumnDrift",
    "ColumnFacts",
    "ComparisonFacts",
    "DriftFacts",
    "Facts",
    "FeatureAlone",
    "FeatureTableFacts",
    "LabelFacts",
    "LeakageFacts",
    "LookupFacts",
    "MetricDifference",
    "ModelFacts",
    "PredictionFacts",
    "ReplayFacts",
    "SourceFacts",
    "Spread",
    "TrainingSetFacts",
    "VersionFacts",
]
