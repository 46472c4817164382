"""What an example is: the difference to the shop, and the one check that it turns red."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ml_assets.rules.registry import RULES
from ml_assets.spec.loader import spec_from_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from examples.broken.by_hand import Stored
    from ml_assets.spec.model import ModelSpec

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """One folder of ``examples/broken``, as its ``example.yaml`` says.

    ``title`` says what is wrong. ``red`` is the check that turns red, ``asset`` the one that it judges
    (``declaration`` when the loader refuses it). ``change`` is what the declaration has other than the
    shop's. With ``after``, everything up to that asset is built by the shop's own declaration first;
    then ``break_it`` of the folder's ``break_it.py``, if there is one, does by hand what goes wrong.
    ``also`` are other checks that cannot stay green, with the reason.
    """

    name: str
    title: str
    red: str
    asset: str
    change: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    also: Mapping[str, str] = field(default_factory=dict)

    @property
    def warns(self) -> bool:
        """Whether its check only warns, so that everything downstream would run."""
        return any(rule.check == self.red and rule.severity == "warn" for rule in RULES)

    @property
    def folder(self) -> Path:
        """Where it lives."""
        return HERE / self.name

    @property
    def break_it(self) -> Callable[[Stored], None] | None:
        """What somebody does by hand to what is stored."""
        if not (self.folder / "break_it.py").exists():
            return None
        module = importlib.import_module(f"examples.broken.{self.name}.break_it")
        found: Callable[[Stored], None] = module.break_it
        return found

    def spec(self) -> ModelSpec:
        """Build the declaration; raises what the loader says of it."""
        return declared(self.change, self.name)


def declared(change: Mapping[str, Any], origin: str = "shop") -> ModelSpec:
    """Build the shop's declaration with a change."""
    base = yaml.safe_load((HERE / "shop" / "defs.yaml").read_text(encoding="utf-8"))
    mapping = merged(base["attributes"], change)
    return spec_from_mapping(mapping, origin=origin, package="examples.broken")


def merged(base: Any, change: Any) -> Any:
    """Put a change into a declaration: mappings entry by entry, lists of tables by name.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4, "d": None}})
    {'a': 1, 'b': {'c': 4}}
    >>> merged([{"name": "t", "x": 1}], {"t": {"x": 2}})
    [{'name': 't', 'x': 2}]
    """
    if isinstance(base, list) and isinstance(change, dict):
        return [merged(entry, change.get(entry["name"], {})) for entry in base]
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    both = {**base, **{k: merged(base.get(k), v) for k, v in change.items()}}
    return {k: v for k, v in both.items() if v is not None}


def examples() -> tuple[Example, ...]:
    """All examples, in the rule book's order."""
    order = list(dict.fromkeys(rule.check for rule in RULES))
    found = [_read(path) for path in sorted(HERE.glob("*/example.yaml"))]
    return tuple(sorted(found, key=lambda e: (order.index(e.red), e.name)))


def _read(path: Path) -> Example:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Example(name=path.parent.name, **values)
