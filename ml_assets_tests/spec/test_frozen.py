from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.spec.frozen import FrozenDict, OrderedFrozenDict, freeze, thaw

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
CHANGES: list[Callable[[dict[str, int]], Any]] = [
    lambda d: d.__setitem__("a", 2),
    lambda d: d.__delitem__("a"),
    lambda d: d.__ior__({"a": 2}),
    lambda d: d.update(a=2),
    lambda d: d.pop("a"),
    lambda d: d.popitem(),
    lambda d: d.setdefault("b", 2),
    lambda d: d.clear(),
]


@pytest.mark.parametrize("kind", [FrozenDict, OrderedFrozenDict])
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_refused(kind: type[FrozenDict], change: Callable):
    frozen = kind({"a": 1})
    with pytest.raises(TypeError, match="cannot be changed"):
        change(frozen)
    assert frozen == {"a": 1}


@given(plain)
def test_frozen_values_can_be_hashed_copied_pickled_and_written_as_json(value: Any):
    frozen = freeze(value)
    assert hash(frozen) == hash(freeze(value))
    assert copy.deepcopy(frozen) == frozen
    assert pickle.loads(pickle.dumps(frozen)) == frozen  # noqa: S301 - our own bytes
    assert json.loads(json.dumps(frozen)) == value
    assert thaw(frozen) == value


def test_equality_follows_python_s_own_dictionaries():
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert FrozenDict(one) == FrozenDict(other)
    assert hash(FrozenDict(one)) == hash(FrozenDict(other))
    assert OrderedFrozenDict(one) != OrderedFrozenDict(other)
    assert OrderedFrozenDict(one) == OrderedFrozenDict(one)
    assert OrderedFrozenDict(one) == other


def test_what_yaml_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="set"):
        freeze({"a": [{1, 2}]})
