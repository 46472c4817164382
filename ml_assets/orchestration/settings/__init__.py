"""The project's settings, ``ml_assets.yaml``: where on Databricks things run, and what it may cost.

Nothing in the file is a secret: host and credentials come from the environment, by the usual ways
of Databricks' SDK. Values may be ``{{ env.NAME }}`` or ``{{ env('NAME', 'default') }}``; a value
that comes out empty is as if the field were not there.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ml_assets.orchestration.settings.fields import DatabricksSettings, Settings
from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.findings import Finding, as_error
from ml_assets.spec.templates import render
from ml_assets.spec.yaml_file import YamlFile, read_yaml

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from ml_assets.orchestration.databricks.resource import DatabricksResource

CONFIG_VARIABLE = "ML_ASSETS_CONFIG"
FILE_NAME = "ml_assets.yaml"
SECTION = "databricks"
RETRY_SECONDS = 30
_DOCUMENT = f"one document with a section {SECTION}:"
#: How pydantic marks that the key, not the value, of a mapping is wrong.
_KEY = "[key]"


def settings_file() -> Path | None:
    """Find the file: ``ML_ASSETS_CONFIG``, or ``ml_assets.yaml`` in the project.

    Without the variable it is looked for in the current folder and upwards, then beside the
    package. None when there is no such file; a file that the variable names need not exist.
    """
    if configured := os.environ.get(CONFIG_VARIABLE):
        return Path(configured).expanduser().absolute()
    here = Path.cwd()
    folders = (here, *here.parents, Path(__file__).parents[3])
    return next((f / FILE_NAME for f in folders if (f / FILE_NAME).is_file()), None)


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings; without a file (and without one in the project) all of them are unset.

    Raises
    ------
    DeclarationError
        With everything that is wrong, each with file, line and field.
    """
    file = file or settings_file()
    if file is None:
        return Settings()
    document = read_yaml(_text_of(file), str(file))
    problems = [_as_settings(problem) for problem in document.problems]
    if document.node is None and any(p.found == "an empty file" for p in problems):
        return Settings()  # nothing but comments
    settings = None
    if document.node is not None:
        settings, inside = _build(document.value)
        problems += [_in_file(document, finding) for finding in inside]
    if settings is None or problems:
        raise as_error(str(file), problems)
    return settings


def databricks_settings() -> DatabricksSettings:
    """Read the section ``databricks:``, which the Databricks platform cannot do without.

    Raises
    ------
    DeclarationError
        When the file or the section is missing, or something in it is wrong.
    """
    file = settings_file()
    if found := load_settings(file).databricks:
        return found
    problem = Finding(
        (SECTION,),
        found=f"no section {SECTION}:" if file else f"no file {FILE_NAME}",
        expected=f"{SECTION}: with at least catalog, schema and volume",
        fix=f"add it to {file or FILE_NAME}, or point {CONFIG_VARIABLE} to a file that has it "
        "(docs/databricks.md shows one)",
    )
    raise as_error(str(file or Path.cwd() / FILE_NAME), [problem])


def databricks_resource() -> DatabricksResource:
    """Make the resource that submits job runs, as the settings describe it.

    Raises
    ------
    DeclarationError
        As ``databricks_settings`` does.
    """
    from ml_assets.orchestration.databricks.resource import DatabricksResource

    return DatabricksResource(**databricks_settings().resource_fields())


def workspace_client(settings: DatabricksSettings) -> WorkspaceClient:
    """Make a client for a few quick questions: it gives up after half a minute of retries.

    Raises
    ------
    WorkspaceError
        When no workspace or no credentials are configured.
    """
    from ml_assets.orchestration.databricks.resource import DatabricksResource

    return DatabricksResource(**settings.resource_fields()).workspace(RETRY_SECONDS)


def _build(values: Any) -> tuple[Settings | None, list[Finding]]:
    """Build the settings; they are None exactly when there are problems."""
    rendered, unset = render(values)
    problems = [Finding.of(place, kind.context or {}) for place, kind in unset]
    known = {place for place, _ in unset}
    settings = None
    try:
        settings = Settings.model_validate(_without_blanks(rendered))
    except ValidationError as error:
        for details in error.errors(include_url=False):
            place = tuple(step for step in details["loc"] if step != _KEY)
            if place not in known:
                problems.append(Finding.of(place, details["ctx"]))
    return (None if problems else settings), problems


def _without_blanks(value: Any) -> Any:
    """Leave out what is empty, mostly a variable that is not set.

    >>> _without_blanks({"databricks": {"catalog": "main", "warehouse_id": "", "tags": None}})
    {'databricks': {'catalog': 'main'}}
    """
    if not isinstance(value, dict):
        return value
    return {k: _without_blanks(v) for k, v in value.items() if v is not None and v != ""}


def _in_file(document: YamlFile, finding: Finding) -> Finding:
    return replace(finding, line=document.line(finding.place))


def _as_settings(problem: Finding) -> Finding:
    """Say what this file holds: the reader's own words are about declarations of models."""
    if problem.expected.startswith("one document"):
        return replace(problem, expected=_DOCUMENT, fix="keep one document in the file")
    return problem


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError | UnicodeDecodeError) -> DeclarationError:
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    problem = Finding(
        (),
        found=f"the file cannot be read: {reason}",
        expected="the project's settings",
        fix=f"correct {CONFIG_VARIABLE}, or make the file readable as UTF-8",
    )
    return as_error(str(file), [problem])
