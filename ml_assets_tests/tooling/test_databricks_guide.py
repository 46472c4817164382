"""docs/databricks.md: what it shows is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ml_assets.orchestration.settings import load_settings
from ml_assets.orchestration.settings.compute import Compute
from ml_assets.orchestration.settings.fields import DatabricksSettings
from ml_assets.spec.wording import names_of

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "databricks.md").read_text()
WORKFLOW = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_table_explains_every_field() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", GUIDE, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(names_of(DatabricksSettings)) <= explained
    for name in names_of(Compute):
        assert f"`{name}`" in GUIDE


@pytest.mark.parametrize(
    "field", ["observe_every", "timeout", "pending_deadline", "retry_deadline"]
)
def test_the_defaults_are_the_real_ones(field: str) -> None:
    from ml_assets.spec.base import duration_text

    default = getattr(DatabricksSettings(catalog="a", schema="b"), field)
    [row] = re.findall(rf"^\| `{field}` \|.*\| (.*) \|$", GUIDE, re.MULTILINE)
    assert row == duration_text(default)


def test_the_example_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_ASSETS_CATALOG", raising=False)
    [example] = [text for text in blocks("yaml") if text.startswith("databricks:")]
    (tmp_path / "ml_assets.yaml").write_text(example)
    settings = load_settings(tmp_path / "ml_assets.yaml").databricks
    assert settings.compute.kind == "new_cluster"


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", GUIDE)
    files = [link for link in links if "://" not in link]
    assert len(files) > 5
    assert [f for f in files if not (ROOT / "docs" / f).exists()] == []


def test_it_names_what_the_workflow_needs() -> None:
    needed = set(re.findall(r"(?:vars|secrets)\.(\w+)", WORKFLOW)) - {"GITHUB_TOKEN"}
    assert {name for name in needed if f"`{name}`" not in GUIDE} == set()


def test_the_statements_name_the_bundle_s_schemas() -> None:
    bundle = yaml.safe_load((ROOT / "databricks.yml").read_text())
    schemas = bundle["resources"]["schemas"].values()
    [text] = [t for t in blocks("sql") if "CREATE VOLUME" in t]
    own = bundle["variables"]["schema"]["default"]
    for name in (entry["name"].replace("${var.schema}", own) for entry in schemas):
        assert re.search(rf"\b{name}\b", text), name
    [writer] = [s["grants"][0]["privileges"] for s in schemas if s["name"] == "features"]
    assert ", ".join(p.replace("_", " ") for p in writer) in text
