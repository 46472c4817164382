"""Every broken example turns exactly its own check red, and nothing runs downstream of it."""

from __future__ import annotations

import doctest
from functools import cache
from typing import TYPE_CHECKING

import pytest

from examples.broken import gallery, page
from examples.broken.__main__ import main
from examples.broken.copying import Shop
from examples.broken.gallery import HERE, examples
from examples.broken.running import Outcome
from ml_assets.rules.registry import RULES
from ml_assets.steps.graph import steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from examples.broken.gallery import Example
    from ml_assets.spec.model import ModelSpec

pytestmark = pytest.mark.slow
EXAMPLES = {example.name: example for example in examples()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The whole shop, built once."""
    return Shop.built(tmp_path_factory.mktemp("shop").resolve())


@pytest.fixture(scope="module")
def outcome_of(shop: Shop) -> Callable[[str], Outcome]:
    """Run an example, once."""
    return cache(lambda name: shop.outcome(EXAMPLES[name]))


def downstream(spec: ModelSpec, asset: str) -> set[str]:
    """Every asset that stands on one, directly or not."""
    found: set[str] = set()
    for step in steps_of(spec):
        if {asset, *found} & set(step.depends_on):
            found.add(step.asset)
    return found


def test_the_shop_itself_is_green(shop: Shop) -> None:
    outcome = Outcome(reports=shop.reports)
    assert (outcome.red, outcome.skipped) == ({}, set())
    assert [r.error for r in shop.reports.values() if r.error] == []


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=list(EXAMPLES))
def test_exactly_the_named_check_turns_red(
    example: Example, outcome_of: Callable[[str], Outcome]
) -> None:
    outcome = outcome_of(example.name)
    if example.asset == "declaration":
        assert outcome.refused is not None
        assert outcome.refused.rule == example.red
        assert outcome.reports == {}
        return
    red = {(example.asset, example.red), *((example.asset, check) for check in example.also)}
    assert set(outcome.red) == red
    verdict = outcome.red[example.asset, example.red]
    assert "Could not be measured" not in verdict.message
    assert verdict.fix
    spec = example.spec()
    stops = downstream(spec, example.asset) if verdict.severity == "error" else set()
    assert outcome.skipped == stops
    ran = {a for a, r in outcome.reports.items() if r.verdicts and not r.skipped}
    judged = [s.asset for s in steps_of(spec) if not s.asset.startswith("sources/")]
    last = judged.index(example.asset) + 1 if example.warns else len(judged)
    assert ran == {*judged[:last]} - outcome.skipped
    failed = {a for a, r in outcome.reports.items() if r.error}
    assert failed <= {example.asset}


def test_the_page_shows_what_the_examples_say(outcome_of: Callable[[str], Outcome]) -> None:
    """Refresh with ``python -m examples.broken --page``."""
    assert page.PATH.read_text(encoding="utf-8") == page.written(
        {name: outcome_of(name) for name in EXAMPLES}
    )


def test_a_change_is_merged_as_its_docstring_says() -> None:
    assert doctest.testmod(gallery).failed == 0


def test_examples_are_a_handful_of_lines() -> None:
    code = [p for name in EXAMPLES for p in (HERE / name).iterdir() if p.is_file()]
    lengths = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in code}
    assert {str(p): n for p, n in lengths.items() if n > 32} == {}
    assert {p.name for p in code} <= {"example.yaml", "features.py", "break_it.py"}


def test_every_check_has_an_example() -> None:
    """But for the one that only a race turns red: ``steps/serving/test_races.py`` plays it."""
    checks = {rule.check for rule in RULES}
    assert checks - {example.red for example in EXAMPLES.values()} == {"promotion_compare_and_set"}


def test_the_command_lists_and_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(EXAMPLES)
    assert main(["nan_as_default"]) == 0
    shown = capsys.readouterr().out
    assert "ml03_no_nan: nan_as_default: feature_tables[0].columns.amount.default" in shown
    assert main(["no_such_example"]) == 2
