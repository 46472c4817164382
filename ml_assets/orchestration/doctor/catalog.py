"""Unity Catalog: the volume for job runs, and the schemas that the models write to."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.orchestration.doctor.result import Result, broken, fine, said, unknown
from ml_assets.orchestration.doctor.workspace import EVERYBODY, Workspace
from ml_assets.platform.databricks.catalog import is_system_table
from ml_assets.spec.base import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The check that writes to the volume.
PROBE = "volume, a file"
_BUNDLE = "databricks bundle deploy creates it (databricks.yml)"
#: What a job needs to build tables and models in a schema.
_TO_WRITE = ("USE_CATALOG", "USE_SCHEMA", "CREATE_TABLE", "CREATE_MODEL", "SELECT", "MODIFY")
#: What a job needs of Databricks' own tables, which nobody writes.
_TO_READ = ("USE_CATALOG", "USE_SCHEMA", "SELECT")
_TO_EXCHANGE = ("READ_VOLUME", "WRITE_VOLUME")
_VERBS = {_TO_WRITE: "write", _TO_READ: "read", _TO_EXCHANGE: "use"}


@dataclass(frozen=True)
class Place:
    """A catalog, schema or volume; ``kind`` in the words of the API."""

    kind: str
    name: str

    @property
    def title(self) -> str:
        """What the check is called."""
        return f"{self.kind} {self.name}"

    @property
    def sql(self) -> str:
        """How SQL names it."""
        return f"{self.kind.upper()} {quoted(self.name)}"


def exists(workspace: Workspace, place: Place) -> Result:
    """A catalog, schema or volume is there, and we may see it."""
    from databricks.sdk.errors import NotFound, PermissionDenied

    title = place.title
    try:
        owner = _owner(workspace, place)
    except NotFound:
        fix = f"CREATE {place.sql}; or {_BUNDLE}"
        if is_system_table(place.name):
            fix = "let an account admin enable it: nobody creates Databricks' own schemas"
        return broken(title, "does not exist", fix)
    except PermissionDenied as error:
        use = "READ VOLUME" if place.kind == "volume" else f"USE {place.kind.upper()}"
        fix = f"GRANT {use} ON {place.sql} TO `{workspace.name}`"
        return broken(title, f"may not be looked at: {said(error)}", fix)
    return fine(title, f"exists, owned by {owner}")


def volume_writable(workspace: Workspace) -> Result:
    """A file can be written to the volume, read, and deleted."""
    from databricks.sdk.errors import NotFound, PermissionDenied
    from databricks.sdk.service.files import FilesAPI

    root, title = workspace.settings.volume_path, PROBE
    path, content = f"{root}/.doctor-{uuid.uuid4().hex}", b"ml_assets doctor"
    files = FilesAPI(workspace.client.api_client)  # type: ignore[no-untyped-call]
    try:
        files.upload(path, io.BytesIO(content))
        stored = files.download(path).contents
        read = stored.read() if stored else b""
        files.delete(path)
    except NotFound as error:
        return broken(title, f"{root}: {said(error)}", f"create the volume; {_BUNDLE}")
    except PermissionDenied as error:
        name = workspace.settings.volume_name or root
        fix = f"GRANT READ VOLUME, WRITE VOLUME ON VOLUME {name} TO `{workspace.name}`"
        return broken(title, f"{root}: {said(error)}", fix)
    if read != content:
        return broken(title, f"{path} came back changed", "look at the network's proxies")
    return fine(title, f"written to {root}, read, deleted")


def may_exchange(workspace: Workspace, volume: str) -> Result:
    """The permissions on the volume are ours."""
    return _permissions(workspace, Place("volume", volume), _TO_EXCHANGE)


def may_write(workspace: Workspace, schema: str) -> Result:
    """The permissions to build tables and models in a schema are ours."""
    return _permissions(workspace, Place("schema", schema), _TO_WRITE)


def may_read(workspace: Workspace, schema: str) -> Result:
    """The permissions to read Databricks' own tables in a schema are ours."""
    return _permissions(workspace, Place("schema", schema), _TO_READ)


def schemas_of(names: Iterable[str]) -> list[str]:
    """Schemas of tables and models, each once.

    >>> schemas_of(["a.b.t", "a.b.u", "a.c.t"])
    ['a.b', 'a.c']
    """
    return sorted({name.rpartition(".")[0] for name in names})


def _permissions(workspace: Workspace, place: Place, wanted: tuple[str, ...]) -> Result:
    from databricks.sdk.errors.base import DatabricksError

    title = f"may {_VERBS[wanted]} {place.name}"
    try:
        held = _held(workspace, place)
    except DatabricksError as error:
        return unknown(title, f"cannot be told: {said(error)}", "ask who owns it")
    mine = frozenset[str]().union(*(held.get(p, frozenset()) for p in workspace.principals))
    missing = [p for p in wanted if not mine & {p, "ALL_PRIVILEGES"}]
    if not missing:
        return fine(title, ", ".join(_words(p) for p in wanted))
    return _missing(workspace, place, title, missing)


def _held(workspace: Workspace, place: Place) -> Mapping[str, frozenset[str]]:
    """Privileges by principal, inherited ones too; the owner of the place has all."""
    from databricks.sdk.service.catalog import SecurableType

    owner, kind = _owner(workspace, place), SecurableType(place.kind.upper()).value
    answer = workspace.client.grants.get_effective(kind, place.name)
    found = answer.privilege_assignments or []
    held = {
        a.principal or "": frozenset(p.privilege.value for p in a.privileges or [] if p.privilege)
        for a in found
    }
    if owner in workspace.principals:
        # Owning a schema does not open its catalog.
        above = {"USE_CATALOG"} if place.kind == "schema" else set()
        held[owner] = held.get(owner, frozenset()) | (frozenset(_TO_WRITE + _TO_EXCHANGE) - above)
    return held


def _owner(workspace: Workspace, place: Place) -> str:
    client = workspace.client
    if place.kind == "catalog":
        return client.catalogs.get(place.name).owner or ""
    if place.kind == "schema":
        return client.schemas.get(place.name).owner or ""
    return client.volumes.read(place.name).owner or ""


def _missing(workspace: Workspace, place: Place, title: str, missing: list[str]) -> Result:
    catalog = place.name.split(".")[0]
    on_catalog = [p for p in missing if p.endswith("CATALOG")]
    on_place = [p for p in missing if p not in on_catalog]
    grants = []
    if on_catalog:
        grants.append(f"GRANT USE CATALOG ON CATALOG {quoted(catalog)} TO `{workspace.name}`")
    if on_place:
        listed = ", ".join(_words(p) for p in on_place)
        grants.append(f"GRANT {listed} ON {place.sql} TO `{workspace.name}`")
    found = f"{', '.join(_words(p) for p in missing)} not granted to {workspace.name}"
    groups = workspace.principals - {workspace.name, EVERYBODY}
    if not groups:
        return broken(title, found, "; ".join(grants))
    # A group inside one of ours may hold them, and the workspace does not say which groups nest.
    seen = f"{found}, nor directly to its groups {', '.join(sorted(groups))}"
    return unknown(title, seen, f"unless a group inside these has them: {'; '.join(grants)}")


def _words(privilege: str) -> str:
    return privilege.replace("_", " ")
