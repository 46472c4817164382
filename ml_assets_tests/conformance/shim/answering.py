"""Who answers which statement: functions register for a pattern, and get the statements that fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ml_assets_tests.conformance.shim.names import full_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from ml_assets_tests.conformance.shim.unity import Table, Unity

    Answer = Callable[["Statements", re.Match[str]], DataFrame]

_answers: list[tuple[re.Pattern[str], Answer]] = []


def answers(pattern: str) -> Callable[[Answer], Answer]:
    """Register what answers a statement; a blank in the pattern is any white space."""

    def register(function: Answer) -> Answer:
        compiled = re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL)
        _answers.append((compiled, function))
        return function

    return register


class Statements:
    """Answers statements on the tables of one workspace."""

    def __init__(
        self, session: SparkSession, unity: Unity, engine: Callable[[str], DataFrame]
    ) -> None:
        self.session, self.unity, self.engine = session, unity, engine

    def answer(self, statement: str) -> DataFrame | None:
        """Execute the statement, or return None when it is the engine's to answer."""
        for pattern, function in _answers:
            if match := pattern.fullmatch(statement):
                answer = function(self, match)
                self.unity.save()
                return answer
        return None

    def table(self, match: re.Match[str]) -> Table:
        return self.unity.table(full_name(match["table"]))

    def rows(self, data: list[tuple[Any, ...]], schema: str) -> DataFrame:
        return self.session.createDataFrame(data, schema)

    def done(self) -> DataFrame:
        return self.rows([], "status string")
