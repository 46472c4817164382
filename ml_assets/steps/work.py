"""What a cluster is told to do, and what it answers: plain values that travel as JSON.

The orchestrator sends one ``Work``; for each of its tasks, in order, it gets one ``Report``. The
declaration itself travels too, so that both sides speak of the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from ml_assets.rules.verdict import Verdict
from ml_assets.spec.catalog import ColumnInfo, TableInfo
from ml_assets.spec.errors import SpecError
from ml_assets.spec.model import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Key of the request in the extras of Pipes, and of the answers in its messages.
WORK = "ml_assets/work"
#: Key of the version of the wheel that the job was given, in the same extras.
CODE = "ml_assets/code"
REPORT = "ml_assets/report"
#: The last message: every task was dealt with. Without it the job did not end as it should.
DONE = "ml_assets/done"


@dataclass(frozen=True)
class Task:
    """One asset: build it and judge it, or (``build=False``) only execute the checks on it."""

    asset: str
    build: bool
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """Tasks of one model in graph order, with everything they need to know.

    ``handles`` are the handles of inputs that no task before makes, and the latest own handles of
    assets that are only checked, by asset name. ``judged`` are the Delta versions that those checks
    of an input judged which the work does not execute itself (None: what was prepared and never published), by asset name; the task refuses
    to start when the rows that are stored now are not the judged ones. ``trace`` holds
    ``dagster_run_id`` and ``git_commit``.
    """

    spec: ModelSpec
    tasks: tuple[Task, ...]
    handles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    judged: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    trace: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give plain values that ``json`` can write."""
        return {
            "spec": self.spec.model_dump(mode="json", by_alias=True),
            "spec_hash": self.spec.hash,
            "tasks": [asdict(task) for task in self.tasks],
            "handles": {name: dict(values) for name, values in self.handles.items()},
            "judged": {name: list(versions) for name, versions in self.judged.items()},
            "trace": dict(self.trace),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild the work on the other side.

        Raises
        ------
        SpecError
            When this side's code understands the declaration in another way than the sender's.
        """
        spec = ModelSpec.model_validate(values["spec"])
        if spec.hash != values["spec_hash"]:
            raise SpecError(
                f"{spec.name}: the declaration sent to the job",
                found=f"hash {spec.hash}",
                expected=f"hash {values['spec_hash']}, as the sender computed it",
                fix="install the same version of ml_assets on both sides: build and upload the wheel again",
            )
        return cls(
            spec=spec,
            tasks=tuple(Task(t["asset"], t["build"], tuple(t["checks"])) for t in values["tasks"]),
            handles=values["handles"],
            judged={name: tuple(versions) for name, versions in values["judged"].items()},
            trace=values["trace"],
        )


@dataclass(frozen=True)
class TaskError:
    """Why a task could not be done: the error's words, its traceback, and whether it is one of ours.

    Errors of ours say where, what and how to mend it; of others the traceback has to be read.
    """

    message: str
    traceback: str
    ours: bool = False


@dataclass(frozen=True)
class Report:
    """What became of one task.

    ``handle`` and ``details`` are None and empty when nothing was published. ``measured`` names what
    the verdicts speak of, when it is not what the handle names. ``skipped`` says why the task was
    not started; ``error`` why it was not finished. ``started`` and ``ended`` are seconds since 1970.
    """

    asset: str
    build: bool
    handle: Mapping[str, Any] | None = None
    verdicts: tuple[Verdict, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    table: TableInfo | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""
    error: TaskError | None = None
    started: float = 0.0
    ended: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Give plain values that ``json`` can write (NaN and Inf as Python's ``json`` does)."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["verdicts"] = [asdict(verdict) for verdict in self.verdicts]
        values["table"] = asdict(self.table) if self.table else None
        values["error"] = asdict(self.error) if self.error else None
        return {name: plain(value) for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild the report on the other side."""
        found = dict(values)
        found["verdicts"] = tuple(
            Verdict(**{**v, "table": tuple(v["table"])}) for v in found["verdicts"]
        )
        found["table"] = _table(found["table"]) if found["table"] else None
        found["error"] = TaskError(**found["error"]) if found["error"] else None
        return cls(**found)


def plain(value: Any) -> Any:
    """Turn numpy's and pandas' scalars, tuples and mappings into what ``json`` can write.

    >>> plain({"a": (1, 2.5), "b": None})
    {'a': [1, 2.5], 'b': None}
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return plain(value.item()) if hasattr(value, "item") else str(value)


def _table(values: Mapping[str, Any]) -> TableInfo:
    columns: Sequence[Mapping[str, Any]] = values["columns"]
    return TableInfo(
        **{
            **values,
            "primary_keys": tuple(values["primary_keys"]),
            "columns": tuple(ColumnInfo(**column) for column in columns),
        }
    )
