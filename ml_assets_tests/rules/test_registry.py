"""The registry is a contract: id, asset, severity. Changing it is a decision, not an accident."""

from __future__ import annotations

from pathlib import Path

from ml_assets.rules.reference import fill
from ml_assets.rules.registry import RULES, checks_for

TABLE = """
ml01_table_registered        ML-01        features       error
ml01_primary_key_unique      ML-01        features       error
ml01_documented              ML-01        features       error
ml02_output_schema           ML-02        trained_model  error
ml02_inputs_match_features   ML-02        trained_model  error
ml02_prediction_dtype        ML-02        trained_model  error
ml02_flavor_recorded         ML-02        trained_model  error
ml02_input_example           ML-02        trained_model  warn
ml03_no_nan                  ML-03        features       error
ml03_no_inf                  ML-03        features       error
ml03_no_null                 ML-03        features       error
ml03_lookup_coverage         ML-03        training_set   error
ml03_lookup_coverage         ML-03        predictions    error
ml03_score_replay            ML-03        model_version  error
ml04_experiment_names        ML-04        trained_model  error
ml04_experiment_names        ML-04        model_version  error
ml04_experiment_names        ML-04        predictions    error
ml05_binary_labels           ML-05        labels         error
ml05_not_single_class        ML-05        labels         error
ml06_label_not_in_features   ML-06        training_set   error
ml06_keys_in_features        ML-06        training_set   error
ml06_time_overlap            ML-06        training_set   error
ml06_future_feature          ML-06        training_set   error
promotion_absolute           promotion    model_version  error
predictions_complete         predictions  predictions    error
predictions_schema           predictions  predictions    error
predictions_from_champion    predictions  predictions    error
"""


def test_the_registry_is_pinned() -> None:
    have = [(r.check, r.rule, r.asset, r.severity) for r in RULES]
    assert have == [tuple(line.split()) for line in TABLE.strip().splitlines()]


def test_every_rule_says_what_it_asks_for() -> None:
    assert [r.check for r in RULES if not r.title or r.title.endswith(".")] == []


def test_an_asset_has_the_checks_of_its_kind() -> None:
    assert [r.check for r in checks_for("features/weather")] == [
        r.check for r in RULES if r.asset == "features"
    ]
    assert checks_for("sources/flights") == ()


def test_the_readme_shows_the_registry() -> None:
    """Refresh with ``python -m ml_assets.rules.reference``."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert fill(text) == text
