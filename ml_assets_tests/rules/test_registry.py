"""The registry is a contract: id, asset, severity. Changing it is a decision, not an accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_assets.rules.reference import DOCUMENTS, fill
from ml_assets.rules.registry import RULES, checks_for
from ml_assets_tests import tiny

TABLE = """
ml01_table_registered        ML-01        features       error
ml01_primary_key_unique      ML-01        features       error
ml01_documented              ML-01        features       error
ml01_row_count               ML-01        features       warn
ml01_fresh                   ML-01        features       warn
ml01_schema_stable           ML-01        features       warn
ml02_output_schema           ML-02        trained_model  error
ml02_inputs_match_features   ML-02        trained_model  error
ml02_prediction_dtype        ML-02        trained_model  error
ml02_flavor_recorded         ML-02        trained_model  error
ml02_input_example           ML-02        trained_model  warn
ml03_no_nan                  ML-03        features       error
ml03_no_inf                  ML-03        features       error
ml03_no_null                 ML-03        features       error
ml03_repaired_share          ML-03        features       warn
ml03_constant_column         ML-03        features       warn
ml03_lookup_coverage         ML-03        training_set   error
ml03_lookup_coverage         ML-03        predictions    error
ml03_score_replay            ML-03        model_version  error
ml04_experiment_names        ML-04        trained_model  error
ml04_experiment_names        ML-04        model_version  error
ml04_experiment_names        ML-04        predictions    error
ml04_run_traceable           ML-04        trained_model  warn
ml04_run_traceable           ML-04        model_version  warn
ml04_run_traceable           ML-04        predictions    warn
ml05_binary_labels           ML-05        labels         error
ml05_not_single_class        ML-05        labels         error
ml05_minority_share          ML-05        labels         warn
ml05_base_rate_shift         ML-05        labels         warn
ml05_label_horizon_closed    ML-05        labels         error
ml06_label_not_in_features   ML-06        training_set   error
ml06_keys_in_features        ML-06        training_set   error
ml06_time_overlap            ML-06        training_set   error
ml06_future_feature          ML-06        training_set   error
ml06_label_copy              ML-06        training_set   error
ml06_single_feature_power    ML-06        training_set   error
ml06_too_good                ML-06        trained_model  warn
ml06_shuffled_label_control  ML-06        trained_model  warn
promotion_absolute           promotion    model_version  error
promotion_beats_champion     promotion    model_version  error
promotion_compare_and_set    promotion    model_version  error
promotion_rollback_target    promotion    model_version  warn
predictions_complete         predictions  predictions    error
predictions_schema           predictions  predictions    error
predictions_from_champion    predictions  predictions    error
predictions_drift            predictions  predictions    warn
"""


def test_the_registry_is_pinned() -> None:
    have = [(r.check, r.rule, r.asset, r.severity) for r in RULES]
    assert have == [tuple(line.split()) for line in TABLE.strip().splitlines()]


def test_every_rule_says_what_it_asks_for() -> None:
    assert [r.check for r in RULES if not r.title or r.title.endswith(".")] == []


def test_an_asset_has_the_checks_of_its_kind() -> None:
    assert [r.check for r in checks_for(tiny.spec(), "features/weather")] == [
        r.check for r in RULES if r.asset == "features"
    ]
    assert checks_for(tiny.spec(), "sources/flights") == ()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_show_the_registry(name: str) -> None:
    """Refresh with ``python -m ml_assets.rules.reference``."""
    text = (Path(__file__).parents[2] / name).read_text(encoding="utf-8")
    assert fill(text, DOCUMENTS[name]()) == text
