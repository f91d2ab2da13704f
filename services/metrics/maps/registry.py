"""The methods by name, and what a request says of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.metrics.maps.base import Method
from services.metrics.maps.dema.method import DeMa
from services.metrics.maps.muse.method import Muse
from services.metrics.maps.options import option, read
from services.metrics.maps.procrustes import Procrustes
from services.metrics.maps.vecmap.method import VecMap
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

    dictionary: int = option(10_000, "Most pairs of the induced dictionary; 0 for none.", least=0, most=1_000_000)
    vocabulary: int = option(
        20_000, "Rows of either side, the most frequent ones, among which the dictionary is induced.", least=1
    )
    csls_k: int = option(10, "Neighbours over which CSLS averages.", least=1, most=1000)


def make(name: str, options: Mapping[str, str]) -> tuple[Method, Any, Common]:
    """A method with its options, and those of all methods.

    Args:
        name: Of the method.
        options: By name, as strings.

    Raises:
        InvalidArgument: There is no such method or option, or an option's value is wrong.
    """
    if name not in METHODS:
        raise unknown("spec.method", "a method", name, tuple(METHODS))
    method = METHODS[name]
    own, common = read((method.Options, Common), options, name)
    return method, own, common
