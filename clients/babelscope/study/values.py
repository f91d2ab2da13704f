"""Values that several keys of a study file share, and how each is read."""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

from babelscope.study.design import MeasureDesign, Pairs
from babelscope.study.nodes import Node

Value = TypeVar("Value")
_EXPONENT: Final = re.compile(r"[+-]?[0-9]+[eE][+-]?[0-9]+")


def get(keys: Mapping[str, Node], name: str, read: Callable[[Node], Value], default: Value) -> Value:
    """The value of a key, or the default where the key is not there."""
    return read(keys[name]) if name in keys else default


def need(node: Node, keys: Mapping[str, Node], name: str) -> Node:
    """The value of a key that must be there.

    Raises:
        StudyError: It is not.
    """
    if name not in keys:
        node.fail(f"the key {name}", sorted(keys))
    return keys[name]


def one_or_more(node: Node, read: Callable[[Node], Value]) -> tuple[Value, ...]:
    """The items of a list, or the one item that stands there without a list."""
    return node.unique(read) if isinstance(node.value, list) else (read(node),)


def layers(node: Node) -> tuple[int, ...] | None:
    """Layers in ascending order; None for `all`."""
    return None if node.value == "all" else tuple(sorted(node.unique(lambda item: item.integer(0))))


def pairs(node: Node) -> Pairs:
    """Which pairs of languages: `all` or `sources`."""
    return cast(Pairs, node.choice("all", "sources"))


def measure(node: Node) -> MeasureDesign:
    """A measure by its name, or with its options."""
    if isinstance(node.value, str):
        return MeasureDesign(node.text(), place=node.place)
    keys = node.mapping("name", "estimator", "variance", "options")
    name = need(node, keys, "name")
    given: dict[str, str] = get(keys, "options", options, {})
    if "variance" in keys:
        given = {"variance": str(keys["variance"].fraction()), **given}
    return MeasureDesign(name.text(), get(keys, "estimator", Node.text, ""), given, place=name.place)


def options(node: Node) -> dict[str, str]:
    """Options by name, as text."""
    return {key: scalar(value) for key, value in node.entries().items()}


def number(node: Node) -> float:
    """A number that is finite.

    Raises:
        StudyError: It is not.
    """
    value = node.value
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)  # YAML 1.1 takes 1e-5, which has no point, for a string
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < float("inf"):
        node.fail("a finite number")
    return float(value)


def scalar(node: Node) -> str:
    """An option's value as text: a string, a number, true or false."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return str(node.value) if isinstance(node.value, int | float) else node.text()


def fail_if_twice(node: Node, names: list[str], what: str) -> None:
    """Refuses names that are not all different.

    Raises:
        StudyError: One is there twice.
    """
    for name in names:
        if names.count(name) > 1:
            node.fail(f"{what} each once", name)
