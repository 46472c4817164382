"""The Sail session as a resource.

Importing ``dagster_pyspark`` imports pyspark, so this module is imported when a run starts, never
when the definitions are loaded (see ``resources.py``).
"""

from typing import Any

from dagster_pyspark import LazyPySparkResource  # noqa: TID253 - imported by a run only
from pydantic import Field


class SailSessionResource(LazyPySparkResource):
    """The process's Sail session (UTC), started when ``spark_session`` is first asked for.

    Assets of users that are typed ``LazyPySparkResource`` get it under the key ``spark``. There is
    no ``spark_context``: the session speaks Spark Connect.
    """

    spark_config: dict[str, Any] = Field(
        default={},
        description="Session settings (``spark.sql.…``), applied to the running session.",
    )

    def _init_session(self) -> None:
        from ml_assets.platform.embedded.session import start_session

        session = start_session()
        if self._spark_session is not session:
            for name, value in self.spark_config.items():
                session.conf.set(name, value)
        self._spark_session = session
