"""All checks in the order in which a person would repair what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ml_assets.orchestration.doctor import catalog, compute, machine, packages, workspace
from ml_assets.orchestration.doctor.result import Check, Result, unknown
from ml_assets.orchestration.resources import platform_name
from ml_assets.orchestration.settings import databricks_settings
from ml_assets.platform.databricks.catalog import is_system_table

if TYPE_CHECKING:
    import dagster as dg

    Load = Callable[[], dg.Definitions]


def doctor(load: Load, *, run: bool, show: Callable[[str], None] = print) -> int:
    """Print one line for each check; give 1 when something is broken, otherwise 0.

    ``load`` gives the definitions. ``run`` also tries what costs money on Databricks: a statement on
    the warehouse, and a job run that says what is installed.
    """
    name = platform_name()
    show(f"ml-assets doctor, platform {name}\n")
    count, broken = 0, 0
    for result in examine(load, name, run=run):
        show(result.lines(_WIDTH))
        count, broken = count + 1, broken + (result.state == "broken")
    if broken:
        show(f"\n{broken} of {count} checks found something to fix.")
    else:
        show("\nNothing to fix.")
    return 1 if broken else 0


_WIDTH = 24
_STORAGE = (
    "look at dagster.yaml in DAGSTER_HOME: the variables that it names, that its database runs, and "
    "for Postgres pip install 'ml_assets[deploy]' and scheme: postgresql+psycopg2"
)
_MODELS = "correct what the error names; `dg check defs` shows where it comes from"


def examine(load: Load, name: str, *, run: bool) -> Iterator[Result]:
    """Check everything of a platform; what depends on something broken is not looked at."""
    yield from _each(
        Check("Python", packages.python),
        Check("packages", partial(packages.packages, name)),
        Check("one pyspark", packages.one_pyspark),
        Check("home", machine.home),
        Check("DAGSTER_HOME", machine.dagster_home, _STORAGE),
    )
    if name == "databricks":
        yield from _databricks(load, run=run)
        return
    yield from _each(
        Check("definitions", lambda: machine.definitions(load()), _MODELS),
        Check("Spark (Sail)", machine.engine, "make setup; when that changes nothing, report it"),
        Check("MLflow", machine.mlflow),
    )


def _databricks(load: Load, *, run: bool) -> Iterator[Result]:
    configured = Check("settings", workspace.settings).run()
    yield configured
    if configured.state == "broken":
        yield unknown("everything else", "not looked at before the settings are in order")
        return
    here = workspace.Workspace(databricks_settings())
    loaded = Check("definitions", lambda: machine.definitions(load()), _MODELS).run()
    yield loaded
    yield from _each(Check("wheel", machine.wheel))
    for check in (
        Check("workspace", partial(workspace.reachable, here)),
        Check("identity", partial(workspace.authenticated, here)),
    ):
        yield (result := check.run())
        if result.state == "broken":
            yield unknown("everything else", "not looked at before the workspace lets us in")
            return
    names = machine.written_names(load()) if loaded.state == "fine" else []
    yield from _each(*_unity(here, names))
    yield from _each(
        Check("SQL warehouse", partial(compute.warehouse, here, run=run)),
        Check("compute", partial(compute.compute, here)),
    )
    if run:
        from ml_assets.orchestration.doctor import job

        yield from _each(Check("job run", partial(job.job_run, here)))


def _unity(here: workspace.Workspace, names: Iterable[str]) -> Iterator[Check]:
    """The volume and what it stands in, then every catalog and schema that a model writes to.

    A seed of one of Databricks' own tables is for laptops: in a workspace the table is read.
    """
    written = catalog.schemas_of(names)
    schemas = list(written)
    if volume := here.settings.volume_name:
        schemas.append(volume.rpartition(".")[0])
    catalogs = {schema.partition(".")[0] for schema in schemas}
    places = [
        *(catalog.Place("catalog", name) for name in sorted(catalogs)),
        *(catalog.Place("schema", name) for name in sorted(set(schemas))),
        *([catalog.Place("volume", volume)] if volume else []),
    ]
    for place in places:
        yield Check(place.title, partial(catalog.exists, here, place))
    yield Check(catalog.PROBE, partial(catalog.volume_writable, here))
    if volume:
        yield Check(f"may use {volume}", partial(catalog.may_exchange, here, volume))
    for schema in written:
        if is_system_table(schema):
            yield Check(f"may read {schema}", partial(catalog.may_read, here, schema))
        else:
            yield Check(f"may write {schema}", partial(catalog.may_write, here, schema))


def _each(*checks: Check) -> Iterator[Result]:
    return (check.run() for check in checks)
