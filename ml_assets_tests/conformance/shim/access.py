"""Statements about who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets_tests.conformance.shim.answering import answers
from ml_assets_tests.conformance.shim.errors import refuse
from ml_assets_tests.conformance.shim.names import NAME, full_name, parts

if TYPE_CHECKING:
    import re

    from pyspark.sql import DataFrame

    from ml_assets_tests.conformance.shim.answering import Statements

_ON = rf"ON (?P<kind>\w+) (?P<name>{NAME})"
_PRIVILEGES = {
    "TABLE": {"ALL PRIVILEGES", "APPLY TAG", "MANAGE", "MODIFY", "SELECT"},
    "FUNCTION": {"ALL PRIVILEGES", "APPLY TAG", "EXECUTE", "MANAGE"},
}


@answers(rf"GRANT (?P<what>[\w ,]+?) {_ON} TO (?P<who>`(?:[^`]|``)+`|[\w@.\-]+)")
def _grant(run: Statements, match: re.Match[str]) -> DataFrame:
    kind, name = _securable(run, match)
    run.unity.grant(kind, name, _principal(match["who"]), _privileges(kind, match["what"]))
    return run.done()


@answers(rf"REVOKE (?P<what>[\w ,]+?) {_ON} FROM (?P<who>`(?:[^`]|``)+`|[\w@.\-]+)")
def _revoke(run: Statements, match: re.Match[str]) -> DataFrame:
    kind, name = _securable(run, match)
    run.unity.revoke(kind, name, _principal(match["who"]), _privileges(kind, match["what"]))
    return run.done()


@answers(rf"SHOW GRANTS?(?: (?P<who>`(?:[^`]|``)+`))? {_ON}")
def _show_grants(run: Statements, match: re.Match[str]) -> DataFrame:
    kind, name = _securable(run, match)
    only = _principal(match["who"]) if match["who"] else None
    rows = [
        (who, privilege, kind, name)
        for who, held in sorted(run.unity.granted(kind, name).items())
        for privilege in sorted(held)
        if only in {None, who}
    ]
    return run.rows(
        rows, "Principal string, ActionType string, ObjectType string, ObjectKey string"
    )


def _securable(run: Statements, match: re.Match[str]) -> tuple[str, str]:
    """Kind and name; a registered model is a FUNCTION to Unity Catalog."""
    kind, name = match["kind"].upper(), full_name(match["name"])
    if kind not in _PRIVILEGES:
        raise refuse("UC_INVALID_SECURABLE", f"nothing is granted on a {kind} here")
    if kind == "TABLE":
        run.unity.table(name)
    return kind, name


def _privileges(kind: str, names: str) -> set[str]:
    wanted = {" ".join(name.upper().split()) for name in names.split(",")}
    if unknown := wanted - _PRIVILEGES[kind]:
        raise refuse("UC_INVALID_PRIVILEGE", f"{sorted(unknown)} cannot be granted on a {kind}")
    return wanted


def _principal(name: str) -> str:
    return parts(name)[0] if name.startswith("`") else name
