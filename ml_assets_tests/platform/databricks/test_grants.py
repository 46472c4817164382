"""Privileges are added where they are missing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from databricks.sdk.errors import PermissionDenied
from databricks.sdk.service.catalog import (
    GetPermissionsResponse,
    Privilege,
    PrivilegeAssignment,
)

from ml_assets.platform.databricks.grants import grant_on_model, missing_grants
from ml_assets.spec.errors import StorageError


def shown(*pairs):
    return [{"Principal": who, "ActionType": what, "ObjectType": "TABLE"} for who, what in pairs]


def test_only_what_is_missing_is_granted():
    grants = {"bi": ("SELECT",), "app": ("SELECT", "MODIFY"), "boss": ("MODIFY",)}
    rows = shown(("bi", "SELECT"), ("app", "SELECT"), ("boss", "ALL PRIVILEGES"))
    assert list(missing_grants("a.b.t", grants, rows)) == [
        "GRANT MODIFY ON TABLE `a`.`b`.`t` TO `app`"
    ]


def test_nothing_is_taken_away():
    rows = shown(("old", "SELECT"), ("bi", "SELECT"), ("bi", "MODIFY"))
    assert list(missing_grants("a.b.t", {"bi": ("SELECT",)}, rows)) == []


class Permissions:
    """The two calls of the SDK, over what is held."""

    def __init__(self, held, *, denied=False):
        self.held, self.denied, self.changes = held, denied, []

    def get(self, securable, name):
        assert (securable, name) == ("FUNCTION", "a.b.m")
        assignments = [
            PrivilegeAssignment(principal=who, privileges=[Privilege(p) for p in what])
            for who, what in self.held.items()
        ]
        return GetPermissionsResponse(privilege_assignments=assignments or None)

    def update(self, securable, name, *, changes):
        assert (securable, name) == ("FUNCTION", "a.b.m")
        if self.denied:
            raise PermissionDenied("User is not an owner of a.b.m")
        self.changes += [(c.principal, [p.value for p in c.add], c.remove) for c in changes]


def granted(permissions, grants):
    grant_on_model("a.b.m", grants, SimpleNamespace(grants=permissions))
    return permissions.changes


def test_models():
    permissions = Permissions({"app": ["EXECUTE"], "boss": ["ALL_PRIVILEGES"]})
    grants = {"app": ("EXECUTE",), "boss": ("EXECUTE",), "new": ("EXECUTE",)}
    assert granted(permissions, grants) == [("new", ["EXECUTE"], None)]


def test_a_model_that_has_everything_is_not_touched():
    assert granted(Permissions({"app": ["EXECUTE"]}), {"app": ("EXECUTE",)}) == []


def test_nothing_declared_asks_nothing():
    grant_on_model("a.b.m", {}, client=None)


def test_a_job_that_may_not_grant_is_told_so():
    with pytest.raises(StorageError, match="MANAGE") as caught:
        granted(Permissions({}, denied=True), {"app": ("EXECUTE",)})
    assert "not an owner" in caught.value.found
