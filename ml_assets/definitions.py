"""What Dagster loads: every model declared under ``defs/``."""

from pathlib import Path

import dagster as dg

from ml_assets.orchestration.resources import default_resources, platform_name
from ml_assets.orchestration.sharing import refuse_sharing

platform_name()  # a wrong ML_ASSETS_PLATFORM is an error here, not in the middle of a run

defs = dg.Definitions.merge(
    refuse_sharing(dg.load_from_defs_folder(path_within_project=Path(__file__).parent)),
    # One process, and with it one Spark session, for the whole run.
    dg.Definitions(resources=default_resources(), executor=dg.in_process_executor),
)
