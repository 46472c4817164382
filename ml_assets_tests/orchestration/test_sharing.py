"""Two declared models must not write the same table or registered model."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import ml_assets
from ml_assets.orchestration.model_defs import build_model_defs
from ml_assets.orchestration.sharing import refuse_sharing
from ml_assets.spec.errors import SpecError
from ml_assets_tests.orchestration.fakes import DECLARATION, make_spec
from ml_assets_tests.orchestration.test_component import PYPROJECT


def _changed(part: str, **changes: Any) -> Any:
    found = DECLARATION[part]
    return [{**found[0], **changes}] if isinstance(found, list) else {**found, **changes}


OWN: dict[str, Any] = {
    "model": "upsell",
    "registered_model": "main.shop.upsell",
    "feature_tables": _changed("feature_tables", table="main.upsell.activity"),
    "label": _changed("label", table="main.upsell.labels"),
    "training_set": "main.upsell.training_set",
    "scoring": _changed("scoring", table="main.upsell.predictions"),
}


def _both(**changes: Any) -> dg.Definitions:
    other = make_spec(**{**OWN, **changes})
    return dg.Definitions.merge(build_model_defs(make_spec()), build_model_defs(other))


def test_models_may_share_their_sources() -> None:
    both = _both()
    assert refuse_sharing(both) is both


@pytest.mark.parametrize(
    ("field", "shared", "words"),
    [
        ("registered_model", "main.shop.churn", "model_version of shop/churn"),
        ("training_set", "main.shop.TRAINING_SET", "training_set of shop/churn"),
        ("label", "main.shop.labels", "labels of shop/churn"),
        ("scoring", "main.shop.predictions", "predictions of shop/churn"),
        ("feature_tables", "main.shop.activity", "features/activity of shop/churn"),
        ("training_set", "main.shop.predictions", "predictions of shop/churn"),
    ],
)
def test_what_both_write_is_refused(field: str, shared: str, words: str) -> None:
    plain = isinstance(OWN[field], str)
    both = _both(**{field: shared if plain else _changed(field, table=shared)})
    with pytest.raises(SpecError) as refused:
        refuse_sharing(both)
    text = str(refused.value)
    assert text.startswith("models shop/churn and shop/upsell")
    assert f"{shared} in both: as {words} and as" in text
    assert "fix:      give it another name in the declaration of shop/churn or of" in text


# Dagster calls pydantic the old way.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_two_folders_are_held_against_each_other_when_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "sharing_project"
    for model, changes in {"churn": {}, "upsell": {**OWN, "training_set": "x.y.z"}}.items():
        folder = package / "defs" / "shop" / model
        folder.mkdir(parents=True)
        attributes = {**DECLARATION, "training_set": "x.y.z", **changes}
        content = {"type": "ml_assets.components.ModelComponent", "attributes": attributes}
        (folder / "defs.yaml").write_text(yaml.safe_dump(content))
    for folder in (package, package / "defs"):
        (folder / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace("their_project", "sharing_project"))
    monkeypatch.syspath_prepend(str(tmp_path))
    load = dg.load_from_defs_folder
    monkeypatch.setattr(dg, "load_from_defs_folder", lambda **_: load(path_within_project=package))
    with pytest.raises(SpecError, match=r"the table x\.y\.z in both: as training_set of shop/"):
        runpy.run_path(str(Path(ml_assets.__file__).with_name("definitions.py")))
