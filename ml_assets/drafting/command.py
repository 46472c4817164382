"""``ml-assets new``: from a table's name to the files of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.drafting.draft import Wanted, draft_model
from ml_assets.drafting.files import model_folder, write
from ml_assets.drafting.names import model_name
from ml_assets.drafting.read import is_file, read_file, read_table
from ml_assets.drafting.report import report
from ml_assets.orchestration.resources import platform_name

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.drafting.sample import Sample


def new_model(name: str, source: str, wanted: Wanted, defs: Path) -> str:
    """Write a first declaration of ``project/model`` below ``defs``, and say what was guessed.

    Raises
    ------
    MlAssetsError
        When the name is none, the model is declared already, the table or file cannot be read, or
        no model can be made from it. Nothing is written then.
    """
    project, model = model_name(name)
    folder = model_folder(defs, project, model)
    draft = draft_model(name, read(source, project), wanted)
    return report(draft, write(draft, folder))


def read(source: str, project: str) -> Sample:
    """Read a sample of a file, or of a table on the platform that is configured.

    Raises
    ------
    MlAssetsError
        When there is no such file or table, or it cannot be read.
    """
    if is_file(source):
        return read_file(source, project)
    if platform_name() == "databricks":
        from ml_assets.drafting.read_databricks import open_table

        return open_table(source)
    from ml_assets.platform.embedded.warehouse import home_folder

    return read_table(source, home_folder())
