"""No two declared models write the same thing: they would replace each other's rows and versions."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from ml_assets.orchestration.names import MODEL_TAG, asset_name
from ml_assets.spec.errors import SpecError

#: Metadata of an asset's spec that names what the asset writes, in the words for an error.
WRITTEN = {
    "dagster/table_name": "the table",
    "ml_assets/registered_model": "the registered model",
}


def refuse_sharing(definitions: dg.Definitions) -> dg.Definitions:
    """Give the definitions back, when no two models in them write the same thing.

    Sources may be shared. Names that differ by case only are the same: on a disk that ignores case
    they are one folder.

    Raises
    ------
    SpecError
        When two models write one table or one registered model.
    """
    owners: dict[tuple[str, str], dg.AssetSpec] = {}
    for spec in _written(definitions):
        for entry in WRITTEN.keys() & spec.metadata.keys():
            first = owners.setdefault((entry, spec.metadata[entry].lower()), spec)
            if first.key.path[:2] != spec.key.path[:2]:
                raise _shared(entry, first, spec)
    return definitions


def _written(definitions: dg.Definitions) -> Iterator[dg.AssetSpec]:
    for asset in definitions.assets or ():
        for spec in asset.specs if isinstance(asset, dg.AssetsDefinition) else ():
            if MODEL_TAG in spec.tags and not asset_name(spec.key).startswith("sources/"):
                yield spec


def _shared(entry: str, first: dg.AssetSpec, second: dg.AssetSpec) -> SpecError:
    one, other = ("/".join(spec.key.path[:2]) for spec in (first, second))
    return SpecError(
        f"models {one} and {other}",
        found=f"{WRITTEN[entry]} {second.metadata[entry]} in both: as {asset_name(first.key)} of "
        f"{one} and as {asset_name(second.key)} of {other}",
        expected="tables and a registered model of its own for each model; only sources are shared",
        fix=f"give it another name in the declaration of {one} or of {other}",
    )
