"""Unity Catalog: what exists, where it is stored, and who may do what with it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_assets_tests.emulator.web import ApiError, Call, denied, invalid, missing, page, route

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.routing import Route

API = "/api/2.1/unity-catalog"
#: kind -> how many parts its full name has.
KINDS = {"catalogs": 1, "schemas": 2, "volumes": 3, "tables": 3, "models": 3}
#: The securable types of the grants API; a registered model is a FUNCTION there.
SECURABLES = {
    "catalog": "catalogs",
    "schema": "schemas",
    "volume": "volumes",
    "table": "tables",
    "function": "models",
}


@dataclass
class Unity:
    """Everything under Unity Catalog. Names are case-insensitive there, and stored in lower case.

    ``volumes_root`` is the folder that stands for ``/Volumes``. ``warehouse``, when set, is a
    folder ``<catalog>/<schema>/<table>`` of Delta tables that exist without being created here.
    """

    volumes_root: Path
    user: str
    warehouse: Path | None = None
    found: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    #: (kind, full name) -> principal -> privileges
    grants: dict[tuple[str, str], dict[str, set[str]]] = field(default_factory=dict)
    #: model -> alias -> version
    aliases: dict[str, dict[str, int]] = field(default_factory=dict)

    def create_catalog(self, name: str) -> None:
        """Create a catalog; the current user gets all privileges on it."""
        self._create("catalogs", name)
        self.grant("catalog", name, "ALL_PRIVILEGES")

    def create_schema(self, name: str) -> None:
        """Create ``catalog.schema``, and its catalog when there is none."""
        catalog, _, schema = name.partition(".")
        if catalog not in self.found["catalogs"]:
            self.create_catalog(catalog)
        self._create("schemas", name, catalog_name=catalog, name=schema)

    def create_volume(self, name: str) -> str:
        """Create a managed volume, and what it stands in; give its path (see ``volume_path``)."""
        where = self._create_in_schema("volumes", name)
        path = self.volume_path(name)
        where |= {"volume_type": "MANAGED", "storage_location": path, "volume_id": name}
        self.volumes_root.joinpath(*name.lower().split(".")).mkdir(parents=True, exist_ok=True)
        return path

    def create_table(self, name: str, location: Path) -> None:
        """Register the Delta table in a folder."""
        where = self._create_in_schema("tables", name)
        where |= {
            "storage_location": str(location),
            "table_type": "MANAGED",
            "data_source_format": "DELTA",
            "columns": _columns(location),
        }

    def create_model(self, name: str, aliases: dict[str, int] | None = None) -> None:
        """Register a model, with the versions that its aliases name."""
        self._create_in_schema("models", name)
        self.aliases[name.lower()] = dict(aliases or {})

    def grant(self, securable: str, name: str, *privileges: str, to: str = "") -> None:
        """Grant privileges (``USE_CATALOG``, ``WRITE_VOLUME``, ...); to the current user if no other."""
        held = self.grants.setdefault((SECURABLES[securable.lower()], name.lower()), {})
        held.setdefault(to or self.user, set()).update(privileges)

    def revoke_all(self, securable: str, name: str, *, of: str = "") -> None:
        """Take every privilege that was granted on this very securable."""
        self.grants.get((SECURABLES[securable.lower()], name.lower()), {}).pop(
            of or self.user, None
        )

    def volume_path(self, name: str) -> str:
        """Give the path of a volume, for the Files API and for job processes alike."""
        return str(self.volumes_root.joinpath(*name.lower().split(".")))

    def allows(self, privilege: str, kind: str, name: str) -> bool:
        """Whether the current user holds a privilege, here or inherited."""
        held = {found["privilege"] for found in self._effective(kind, name, self.user)}
        return bool(held & {privilege, "ALL_PRIVILEGES"})

    def table(self, name: str) -> dict[str, Any]:
        """Find a table that was created here or stands in the warehouse folder.

        Raises
        ------
        ApiError
            When there is none.
        """
        if name.lower() not in self.found["tables"] and self.warehouse is not None:
            folder = self.warehouse.joinpath(*name.lower().split("."))
            if (folder / "_delta_log").is_dir():
                self.create_table(name, folder)
        return self._get("tables", name)

    def routes(self) -> list[Route]:
        """Serve what is read of Unity Catalog; nothing is created over REST."""
        listed = [route("GET", f"{API}/{kind}", self._lister(kind)) for kind in KINDS]
        return [
            *listed,
            route("GET", f"{API}/catalogs/{{name}}", self._getter("catalogs")),
            route("GET", f"{API}/schemas/{{name}}", self._getter("schemas")),
            route("GET", f"{API}/volumes/{{name}}", self._getter("volumes")),
            route("GET", f"{API}/models/{{name}}", self._getter("models")),
            route("GET", f"{API}/models/{{name}}/aliases/{{alias}}", self._model_by_alias),
            route("GET", f"{API}/tables/{{name}}", lambda call: self.table(call.params["name"])),
            route("GET", f"{API}/tables/{{name}}/exists", self._table_exists),
            route("GET", f"{API}/permissions/{{type}}/{{name}}", self._permissions),
            route("GET", f"{API}/effective-permissions/{{type}}/{{name}}", self._effective_ones),
        ]

    def _create_in_schema(self, kind: str, name: str) -> dict[str, Any]:
        catalog, schema, own = name.lower().split(".")
        if f"{catalog}.{schema}" not in self.found["schemas"]:
            self.create_schema(f"{catalog}.{schema}")
        return self._create(kind, name, catalog_name=catalog, schema_name=schema, name=own)

    def _create(self, kind: str, full: str, **values: Any) -> dict[str, Any]:
        now = int(time.time() * 1000)
        common = {"full_name": full.lower(), "owner": self.user, "created_at": now}
        kept = {"name": full.lower(), **common, "updated_at": now, **values}
        return self.found[kind].setdefault(full.lower(), kept)

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        if name.count(".") != KINDS[kind] - 1:
            raise invalid(f"{name!r} is not the full name of one of the {kind}")
        if name.lower() not in self.found[kind]:
            raise missing(f"{kind.removesuffix('s').capitalize()} '{name}' does not exist.")
        return self.found[kind][name.lower()]

    def _getter(self, kind: str) -> Callable[[Call], dict[str, Any]]:
        def get(call: Call) -> dict[str, Any]:
            found = self._get(kind, call.params["name"])
            use = {"schemas": "USE_SCHEMA", "catalogs": "USE_CATALOG"}.get(kind, "")
            if use and not self.allows(use, kind, call.params["name"]):
                raise denied(f"User does not have {use} on '{call.params['name']}'.")
            return found

        return get

    def _lister(self, kind: str) -> Callable[[Call], dict[str, Any]]:
        def listing(call: Call) -> dict[str, Any]:
            parents = ("catalog_name", "schema_name")[: KINDS[kind] - 1]
            wanted = {parent: call.required(parent).lower() for parent in parents}
            rows = [
                row
                for _, row in sorted(self.found[kind].items())
                if all(row[parent] == value for parent, value in wanted.items())
            ]
            key = "registered_models" if kind == "models" else kind
            return page(rows, call, 1000, key)

        return listing

    def _table_exists(self, call: Call) -> dict[str, bool]:
        try:
            self.table(call.params["name"])
        except ApiError as error:
            if error.status != 404:
                raise
            return {"table_exists": False}
        return {"table_exists": True}

    def _model_by_alias(self, call: Call) -> dict[str, Any]:
        name, alias = call.params["name"], call.params["alias"]
        model = self._get("models", name)
        if alias not in self.aliases[name.lower()]:
            raise missing(f"Registered model alias '{alias}' does not exist.")
        version = self.aliases[name.lower()][alias]
        return {**model, "model_name": model["name"], "version": version, "status": "READY"}

    def _securable(self, call: Call) -> tuple[str, str]:
        kind = SECURABLES.get(call.params["type"].lower())
        if kind is None:
            raise invalid(f"{call.params['type']!r} is not a securable type")
        name = call.params["name"]
        if kind == "tables":
            self.table(name)
        self._get(kind, name)
        return kind, name.lower()

    def _permissions(self, call: Call) -> dict[str, Any]:
        kind, name = self._securable(call)
        only = call.query.get("principal")
        return {
            "privilege_assignments": [
                {"principal": principal, "privileges": sorted(privileges)}
                for principal, privileges in self.grants.get((kind, name), {}).items()
                if only in {None, principal}
            ]
        }

    def _effective_ones(self, call: Call) -> dict[str, Any]:
        kind, name = self._securable(call)
        principals = {p for held in self.grants.values() for p in held}
        if only := call.query.get("principal"):
            principals &= {only}
        rows = [(p, self._effective(kind, name, p)) for p in sorted(principals)]
        return {
            "privilege_assignments": [
                {"principal": principal, "privileges": held} for principal, held in rows if held
            ]
        }

    def _effective(self, kind: str, name: str, principal: str) -> list[dict[str, str]]:
        """Privileges on a securable and on all that it stands in; inherited ones say from where."""
        parts = name.lower().split(".")
        own = (kind, name.lower())
        chain = [("catalogs", parts[0]), ("schemas", ".".join(parts[:2])), own]
        found = []
        for place in dict.fromkeys(chain[: len(parts)] if len(parts) < len(chain) else chain):
            for privilege in sorted(self.grants.get(place, {}).get(principal, ())):
                source = {
                    "inherited_from_type": place[0].removesuffix("s").upper(),
                    "inherited_from_name": place[1],
                }
                found.append({"privilege": privilege} | ({} if place == own else source))
        return found


def _columns(location: Path) -> list[dict[str, Any]]:
    """Describe the columns of a Delta table as Unity Catalog does; none where there is no table."""
    from deltalake import DeltaTable

    from ml_assets.platform.spark_types import simple_type

    if not any((location / "_delta_log").glob("*.json")):
        return []
    fields = json.loads(DeltaTable(location).schema().to_json())["fields"]
    return [
        {
            "name": f["name"],
            "type_text": simple_type(f["type"]),
            "type_name": simple_type(f["type"]).upper().replace("BIGINT", "LONG"),
            "comment": f["metadata"].get("comment"),
            "nullable": f["nullable"],
            "position": position,
        }
        for position, f in enumerate(fields)
    ]
