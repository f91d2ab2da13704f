"""The methods by name, and what a request says of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.metrics.maps.base import Method
from services.metrics.maps.dema.method import DeMa
from services.metrics.maps.muse.method import Muse
from services.metrics.maps.procrustes import Procrustes
from services.metrics.maps.vecmap.method import VecMap
from services.runtime.options import OptionInfo, Place, describe, option, read_all
from services.runtime.suggestions import unknown

_ALL: Final[tuple[Method, ...]] = (
    Procrustes(),
    VecMap(),
    Muse(),
    DeMa(),
)

METHODS: Final = {method.name: method for method in _ALL}
"""Methods by name."""


@dataclass(frozen=True)
class Common:
    """Options that every method takes."""

    dictionary: int = option(
        "Most pairs of the induced dictionary; 0 for none.", default=10_000, minimum=0, maximum=1_000_000
    )
    vocabulary: int = option(
        "Rows of either side, the most frequent ones, among which the dictionary is induced.", default=20_000, minimum=1
    )
    csls_k: int = option("Neighbours over which CSLS averages.", default=10, minimum=1, maximum=1000)


def describe_options(name: str) -> tuple[OptionInfo, ...]:
    """The options of a method, then those of all methods."""
    return describe(METHODS[name].Options, Common)


def make(name: str, options: Mapping[str, str]) -> tuple[Method, Any, Common]:
    """A method with its options, and those of all methods.

    Args:
        name: Name of the method.
        options: Options of the method by name, as strings.

    Raises:
        InvalidArgument: There is no such method or option, or an option's value is wrong.
    """
    if name not in METHODS:
        raise unknown("spec.method", "a method", name, tuple(METHODS))
    method = METHODS[name]
    own, common = read_all((method.Options, Common), options, Place(owner=name))
    return method, own, common
