"""Put what another model declares into the place where a declaration reuses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ml_assets.spec.base import Declared
from ml_assets.spec.errors import DeclarationError, did_you_mean
from ml_assets.spec.findings import Finding, Place
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.reuse import ReusedSource, ReusedTable, owner_of
from ml_assets.spec.tables import FeatureTable, Source
from ml_assets.spec.wording import names_of

D = TypeVar("D", bound=Declared)


class NoOwnerError(Exception):
    """The model that is to be reused from cannot be had: what was found, expected, and the fix."""

    def __init__(self, found: str, expected: str, fix: str) -> None:
        super().__init__(found)
        self.found, self.expected, self.fix = found, expected, fix


#: Gives the declaration of ``project/model``, or raises ``NoOwnerError``.
Find = Callable[[str], ModelSpec]


@dataclass(frozen=True)
class Neighbours:
    """Finds models in the folders beside a model's own: ``<project>/<model>/defs.yaml``.

    ``loading`` are the models that are being loaded, the one that asks last; ``load`` loads a file.
    """

    folder: Path
    loading: tuple[str, ...]
    load: Callable[[Path, tuple[str, ...]], ModelSpec]

    def __call__(self, name: str) -> ModelSpec:
        """Load the declaration of ``project/model``."""
        if name in self.loading:
            raise _cycle((*self.loading[self.loading.index(name) :], name))
        root = self.folder.parent.parent
        file = root / name / "defs.yaml"
        if not file.is_file():
            raise _unknown(name, (f.parent for f in sorted(root.glob("*/*/defs.yaml"))), root)
        try:
            spec = self.load(file, self.loading)
        except DeclarationError as error:
            found = f"the declaration of {name} is wrong: {error.problems[0]}"
            raise NoOwnerError(
                found, "an owner that can be loaded", f"correct {file} first"
            ) from error
        if spec.name != name:
            raise NoOwnerError(
                f"{file} declares {spec.name}",
                "a folder that is called like the project and model that it declares",
                f"rename the folder, or the project and model in it, to {name}",
            )
        return spec


def among(specs: Mapping[str, ModelSpec]) -> Find:
    """Find models among those that are given, by ``project/model``."""

    def find(name: str) -> ModelSpec:
        if name not in specs:
            expected = (
                f"one of {', '.join(sorted(specs))}" if specs else "an owner that is known here"
            )
            hint = did_you_mean(name, specs)
            fix = f"correct the name{hint}, or hand over the owner's declaration (owners=...)"
            raise NoOwnerError(f"no model {name}", expected, fix)
        return specs[name]

    return find


def with_reused(mapping: Any, find: Find) -> tuple[Any, list[Finding], frozenset[Place]]:
    """Replace what reuses by what it reuses.

    Returns
    -------
    The mapping, what is wrong, and the places where it is: what is there is not to be judged again.
    Where no sources are declared, those are added that the reused tables are made from.
    """
    if not isinstance(mapping, dict):
        return mapping, [], frozenset()
    changed, findings, bad = dict(mapping), [], set()
    for place, entry in _reusing(mapping):
        part, found = _resolved(place, entry, find)
        if found:
            findings += found
            bad.add(place)
        else:
            _put(changed, place, part)
    findings += _set_by_hand(mapping)
    if "sources" not in changed:
        changed |= _sources_of_reused(changed.get("feature_tables"), find)
    return changed, findings, frozenset(bad)


def _sources_of_reused(tables: Any, find: Find) -> dict[str, Any]:
    """The sources of reused tables by their owners' names; none where two owners mean different ones."""
    found: dict[str, Source] = {}
    reused = [t for t in tables or () if isinstance(t, FeatureTable) and t.reuse]
    for table in reused:
        try:
            owner = find(owner_of(table.reuse or ""))
        except NoOwnerError:  # A table that is resolved already, where owners cannot be asked.
            return {}
        for name in table.sources:
            path = owner.sources[name].reuse or f"{owner.name}/{name}"
            source = owner.sources[name].model_copy(update={"reuse": path})
            if found.setdefault(name, source).reuse != path:
                return {}
    return {"sources": found} if found else {}


def _set_by_hand(mapping: Mapping[str, Any]) -> list[Finding]:
    """Refuse what only this module may set: it would claim a declaration that nobody made."""
    tables = mapping.get("feature_tables")
    return [
        Finding(
            ("feature_tables", i, "owner_hash"),
            found="unknown field 'owner_hash'",
            expected=f"one of {', '.join(names_of(FeatureTable))}",
            fix="remove it",
        )
        for i, table in enumerate(tables if isinstance(tables, list | tuple) else ())
        if isinstance(table, Mapping) and "owner_hash" in table and "reuse" not in table
    ]


def _reusing(mapping: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    tables, sources = mapping.get("feature_tables"), mapping.get("sources")
    entries: list[tuple[Place, Any]] = []
    if isinstance(tables, list | tuple):
        entries += [(("feature_tables", i), entry) for i, entry in enumerate(tables)]
    if isinstance(sources, Mapping):
        entries += [(("sources", str(name)), entry) for name, entry in sources.items()]
    yield from ((place, e) for place, e in entries if isinstance(e, Mapping) and "reuse" in e)


def _put(mapping: dict[str, Any], place: Place, part: Any) -> None:
    field, index = place
    if field == "sources":
        mapping["sources"] = {**mapping["sources"], index: part}
    else:
        parts = list(mapping["feature_tables"])
        parts[int(index)] = part
        mapping["feature_tables"] = parts


def _resolved(place: Place, entry: Mapping[str, Any], find: Find) -> tuple[Any, list[Finding]]:
    kind = ReusedSource if place[0] == "sources" else ReusedTable
    asked, wrong = _parsed(kind, place, entry)
    if asked is None:
        return None, wrong
    try:
        owner = find(owner_of(asked.reuse))
        if isinstance(asked, ReusedTable):
            return _table(owner, asked, place)
        return _source(owner, asked.reuse, place)
    except NoOwnerError as error:
        return None, [Finding((*place, "reuse"), error.found, error.expected, error.fix)]


def _parsed(
    kind: type[ReusedSource | ReusedTable], place: Place, entry: Mapping[str, Any]
) -> tuple[ReusedSource | ReusedTable | None, list[Finding]]:
    try:
        return kind.model_validate(entry), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [Finding.of((*place, *d["loc"]), d["ctx"]) for d in details]


def _table(
    owner: ModelSpec, asked: ReusedTable, place: Place
) -> tuple[FeatureTable | None, list[Finding]]:
    tables = {table.name: table for table in owner.feature_tables}
    name = asked.reuse.rpartition("/")[2]
    if wrong := _not_its_own(owner, name, tables, "feature table", place):
        return None, [wrong]
    table = tables[name]
    wrong_here = [
        Finding(
            (*place, "columns", i),
            found=f"{column!r}, which {asked.reuse} does not have",
            expected=f"a feature of it: {', '.join(table.columns)}",
            fix=f"correct the name{did_you_mean(column, table.columns)}, or add it to the owner's table",
        )
        for i, column in enumerate(asked.columns or ())
        if column not in table.columns
    ]
    if asked.lookback is not None and table.event_time is None:
        found = f"a lookback, and {asked.reuse} has no event_time"
        expected = "none: a static table has no age"
        wrong_here.append(Finding((*place, "lookback"), found, expected, "remove it"))
    return (None, wrong_here) if wrong_here else (reused_table(owner, asked), [])


def _source(owner: ModelSpec, path: str, place: Place) -> tuple[Source | None, list[Finding]]:
    name = path.rpartition("/")[2]
    if wrong := _not_its_own(owner, name, owner.sources, "source", place):
        return None, [wrong]
    return owner.sources[name].model_copy(update={"reuse": path}), []


def _not_its_own(
    owner: ModelSpec,
    name: str,
    parts: Mapping[str, FeatureTable] | Mapping[str, Source],
    what: str,
    place: Place,
) -> Finding | None:
    """Say that the owner has no such part, or reuses it itself."""
    place = (*place, "reuse")
    if name not in parts:
        own = [n for n, part in parts.items() if part.reuse is None]
        return Finding(
            place,
            found=f"{owner.name} has no {what} {name!r}",
            expected=f"one of {', '.join(f'{owner.name}/{n}' for n in own)}",
            fix=f"correct the name{did_you_mean(name, own)}",
        )
    elsewhere = parts[name].reuse
    if elsewhere is None:
        return None
    return Finding(
        place,
        found=f"{owner.name} does not make the {what} {name!r}, it reuses it itself",
        expected=f"the path to its owner: {elsewhere}",
        fix=f"write reuse: {elsewhere}",
    )


def reused_table(owner: ModelSpec, asked: ReusedTable) -> FeatureTable:
    """Give the owner's feature table as another model looks it up."""
    table = owner.feature_table(asked.reuse.rpartition("/")[2])
    taken = asked.columns or tuple(table.columns)
    changes: dict[str, Any] = {
        "reuse": asked.reuse,
        "owner_hash": table.declared_hash,
        "columns": {name: table.columns[name] for name in taken},
    }
    for name in ("lookback", "min_coverage"):
        if getattr(asked, name) is not None:
            changes[name] = getattr(asked, name)
    declared = {name: getattr(table, name) for name in FeatureTable.model_fields}
    return FeatureTable.model_validate({**declared, **changes})


def is_reused(spec: ModelSpec, asset: str) -> bool:
    """Whether another model makes an asset of this name."""
    return _path(spec, asset) is not None


def asset_path(spec: ModelSpec, asset: str) -> tuple[str, ...]:
    """Say under which project and model an asset stands, and its name there.

    The owner's for a feature table or a source that is reused.
    """
    path, kind = _path(spec, asset), asset.partition("/")[0]
    if path is None:
        return (spec.project, spec.model, *asset.split("/"))
    project, model, name = path.split("/")
    return (project, model, kind, name)


def _path(spec: ModelSpec, asset: str) -> str | None:
    kind, _, name = asset.partition("/")
    if kind == "features":
        return next((t.reuse for t in spec.feature_tables if t.name == name), None)
    source = spec.sources.get(name) if kind == "sources" else None
    return source.reuse if source else None


def _cycle(names: tuple[str, ...]) -> NoOwnerError:
    return NoOwnerError(
        f"a circle: {' reuses from '.join(names)}",
        "models of which one makes what the others take",
        "let one of them make both, or move the shared table to a model that reuses nothing",
    )


def _unknown(name: str, folders: Iterator[Path], root: Path) -> NoOwnerError:
    declared = [f"{folder.parent.name}/{folder.name}" for folder in folders]
    return NoOwnerError(
        f"no model {name}: there is no {root / name / 'defs.yaml'}",
        f"one of {', '.join(declared) or 'none: nothing is declared'}",
        f"correct the name{did_you_mean(name, declared)}",
    )
