from __future__ import annotations

import keyword

import pytest
from dagster._core.definitions.utils import DISALLOWED_NAMES, is_valid_owner
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.spec.dagster_values import RESERVED, check_asset_name, check_cron, check_owner

bounds = {0: (0, 59), 1: (0, 23), 2: (1, 28), 3: (1, 12), 4: (0, 6)}


@st.composite
def crons(draw: st.DrawFn) -> str:
    def field(index: int) -> str:
        low, high = bounds[index]
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, 5))
        return draw(
            st.sampled_from(["*", f"*/{step}", str(first), f"{first}-{last}", f"{first},{last}"])
        )

    return " ".join(field(index) for index in range(5))


@given(crons())
def test_cron_fields_are_accepted_as_dagster_does(cron: str):
    assert is_valid_cron_string(cron)
    assert check_cron(cron) == cron


@pytest.mark.parametrize("cron", ["@daily", "@hourly", "0 6 * * mon-fri", "0 0 1 JAN,jul *"])
def test_aliases_and_names_are_accepted_as_dagster_does(cron: str):
    assert is_valid_cron_string(cron)
    assert check_cron(cron) == cron


@given(st.lists(st.sampled_from(["*", "0", "5", "61", "mon", "x", "1-", "*/0", "5-1", ","])))
def test_whatever_passes_here_passes_in_dagster(parts: list[str]):
    cron = " ".join(parts)
    try:
        check_cron(cron)
    except ValueError:
        return
    assert is_valid_cron_string(cron)


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "with 0 fields"),
        ("0 6 * *", "with 4 fields"),
        ("0 0 6 * * *", "with 6 fields"),
        ("60 6 * * *", "'60' as minute"),
        ("0 25 * * *", "'25' as hour"),
        ("0 6 0 * *", "'0' as day of the month"),
        ("0 6 * foo *", "'foo' as month"),
        ("0 6 * * 8", "'8' as day of the week"),
        ("@reboot", "with 1 fields"),
    ],
)
def test_a_wrong_cron_names_the_field(cron: str, said: str):
    with pytest.raises(ValueError, match=said):
        check_cron(cron)


@pytest.mark.parametrize(
    "owner",
    [
        "team:flight-ops",
        "team:a b",
        "ops@example.com",
        "a.b+c@mail.example.org",
        "ops",
        "team:",
        "Team:ops",
        "ops@example",
        "ops@",
        "",
        "None",
    ],
)
def test_owners_are_accepted_exactly_when_dagster_accepts_them(owner: str):
    if is_valid_owner(owner):
        assert check_owner(owner) == owner
    else:
        with pytest.raises(ValueError, match="e-mail address or team:name"):
            check_owner(owner)


def test_a_bare_team_gets_its_fix():
    with pytest.raises(ValueError, match="write team:flight-ops"):
        check_owner("flight-ops")


def test_the_reserved_names_are_dagster_s():
    assert set(RESERVED) | set(keyword.kwlist) == DISALLOWED_NAMES


@pytest.mark.parametrize("name", ["meta", "type", "input", "class"])
def test_reserved_asset_names_are_refused(name: str):
    with pytest.raises(ValueError, match=f"rename it, for example {name}_model"):
        check_asset_name(name)
