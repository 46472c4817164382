"""The guide's example is a model that runs, and its reference is the declared fields."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml_assets.rules.registry import RULES
from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.loader import load_spec
from ml_assets.spec.reference import fill, json_schema, main, markdown
from ml_assets_tests.steps.helpers import red, run_steps

if TYPE_CHECKING:
    from ml_assets.platform.embedded import EmbeddedPlatform

GUIDE = Path(__file__).parents[2] / "docs" / "declare-a-model.md"


@pytest.fixture(scope="module")
def text() -> str:
    return GUIDE.read_text(encoding="utf-8")


@pytest.fixture
def folder(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the example's three files where the guide says, in a package of its own."""
    files = re.findall(r"`ml_assets/defs/(\w\S+\.\w+)`.*?```\w+\n(.*?)```", text, re.DOTALL)
    assert [Path(name).name for name, _ in files] == ["defs.yaml", "features.py", "sources.py"]
    root = tmp_path / f"guide_{tmp_path.name}"
    for name, content in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return root / "shop" / "big_spender"


def test_the_example_loads(folder: Path):
    spec = load_spec(folder)
    assert spec.name == "shop/big_spender"
    assert spec.features == ("spent", "visits", "city", "age")


def test_the_example_runs_and_no_check_is_red(folder: Path, platform: EmbeddedPlatform):
    spec = load_spec(folder)
    outcomes = run_steps(spec, platform)
    assert {a: red(o.verdicts) for a, o in outcomes.items() if red(o.verdicts)} == {}
    assert list(outcomes)[-1] == "predictions"
    assert platform.tables.read(spec.scoring.table).count() == 60


def test_the_error_shown_is_what_the_example_gives(folder: Path, text: str):
    file = folder / "defs.yaml"
    right = file.read_text(encoding="utf-8")
    file.write_text(right.replace("visit, default", "visit, defalt"), encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_spec(file)
    assert str(caught.value).replace(str(file), "defs.yaml") in text


def test_the_python_shown_runs(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(GUIDE.parents[1])
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[-1]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the guide's own example
    assert names["nightly"].schedule == "0 3 * * *"
    assert names["nightly"].hash != names["spec"].hash


def test_the_reference_is_up_to_date(text: str):
    """Refresh with ``python -m ml_assets.spec.reference docs/declare-a-model.md``."""
    assert fill(text) == text


def test_the_reference_names_checks_that_exist():
    named = set(
        re.findall(r"\| `((?:ml\d\d|promotion|predictions)_\w+)` \|$", markdown(), re.MULTILINE)
    )
    assert len(named) > 10
    assert named <= {rule.check for rule in RULES}


PAGES = [GUIDE.parents[1] / "CHANGELOG.md", *GUIDE.parent.rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_to_other_pages_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_links_inside_the_guide_lead_somewhere(text: str):
    targets = {f"#{title}" for title in re.findall(r"^### `(\w+)`$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\((#\w+)\)", text)) <= targets


def test_the_reference_can_be_printed_and_put_into_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    main([])
    assert capsys.readouterr().out == markdown() + "\n"
    main(["--json-schema"])
    assert json.loads(capsys.readouterr().out) == json_schema()
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- fields:begin --><!-- fields:end -->\nb\n", encoding="utf-8")
    main([str(page)])
    assert page.read_text(encoding="utf-8").startswith("a\n<!-- fields:begin -->\n### `attr")


def test_the_json_schema_speaks_of_a_whole_file():
    schema = json_schema()
    assert schema["required"] == ["type", "attributes"]
    assert "package" not in schema["properties"]["attributes"]["properties"]
    references = set(re.findall(r"#/\$defs/(\w+)", json.dumps(schema)))
    assert references == set(schema["$defs"])
