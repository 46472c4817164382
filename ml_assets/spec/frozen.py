"""Mappings that cannot change, so that a frozen declaration is frozen all the way down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dictionary that refuses changes and can be hashed when its values can.

    It is a real ``dict``, so libraries that insist on one (JSON, scikit-learn parameters) take it.
    Equality ignores the order, as for every dictionary.

    >>> frozen = FrozenDict({"a": 1})
    >>> frozen["a"], frozen == {"a": 1}, hash(frozen) == hash(FrozenDict({"a": 1}))
    (1, True, True)
    >>> frozen["a"] = 2
    Traceback (most recent call last):
    ...
    TypeError: a declaration cannot be changed; make a new one, for example with dict(old) | {...}
    """

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "a declaration cannot be changed; make a new one, for example with dict(old) | {...}"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[object, ...]:
        """Copy and pickle by content: the default would set the items one by one."""
        return type(self), (dict(self),)


class OrderedFrozenDict(FrozenDict[K, V]):
    """A frozen dictionary whose order has a meaning, such as the columns a model receives.

    Two of them are equal when they hold the same items in the same order; compared with any other
    dictionary the order is ignored (as ``collections.OrderedDict`` does).

    >>> OrderedFrozenDict({"a": 1, "b": 2}) == OrderedFrozenDict({"b": 2, "a": 1})
    False
    """

    def __eq__(self, other: object) -> bool:
        if isinstance(other, OrderedFrozenDict) and list(self) != list(other):
            return False
        return dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = FrozenDict.__hash__


def freeze(value: Any) -> Any:
    """Freeze plain values, however nested: lists become tuples, mappings ``FrozenDict``.

    Raises
    ------
    TypeError
        Something that YAML cannot hold, naming its type.

    >>> freeze({"class_weight": {0: 1, 1: 10}, "layers": [64, 32]})
    {'class_weight': {0: 1, 1: 10}, 'layers': (64, 32)}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({freeze(k): freeze(v) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(v) for v in value)
    raise TypeError(type(value).__name__)


def thaw(value: Any) -> Any:
    """Give plain values that can be changed: the reverse of ``freeze``, with lists for tuples.

    >>> thaw(freeze({"class_weight": {0: 1, 1: 10}, "layers": [64, 32]}))
    {'class_weight': {0: 1, 1: 10}, 'layers': [64, 32]}
    """
    if isinstance(value, Mapping):
        return {k: thaw(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [thaw(v) for v in value]
    return value
