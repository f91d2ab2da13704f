"""The names that a study asks for, held against what the metrics server offers: nothing here lists them."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

from babelscope.data.capabilities import Capability
from babelscope.errors import StudyError

Kind = Literal["measure", "map method", "score"]

_LISTS: Final[dict[Kind, Callable[[Any], Sequence[Capability]]]] = {
    "measure": lambda metrics: metrics.list_measures(),
    "map method": lambda metrics: metrics.list_map_methods(),
    "score": lambda metrics: metrics.list_scores(),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that a study asks of the metrics server by name.

    Attributes:
        kind: What the name is of.
        name: The name.
        place: Study file and path of the name in it, for errors.
        estimator: Variant of a measure; empty for the default.
        options: Options by name.
    """

    kind: Kind
    name: str
    place: str
    estimator: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def check(self, offered: Mapping[str, Capability]) -> None:
        """Refuses what is not offered.

        Raises:
            StudyError: The server does not offer the name, the estimator or an option.
        """
        info = offered.get(self.name)
        if info is None:
            self._fail(f"a {self.kind}", self.name, offered)
        if self.estimator and self.estimator not in getattr(info, "estimators", ()):
            self._fail(f"an estimator of {self.name}", self.estimator, getattr(info, "estimators", ()))
        known = [option.name for option in info.options]
        for option in self.options:
            if option not in known:
                self._fail(f"an option of {self.name}", option, known)

    def _fail(self, what: str, got: str, known: Collection[str]) -> NoReturn:
        near = difflib.get_close_matches(got, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        where = f"{self.place}: " if self.place else ""
        raise StudyError(f"{where}Expected {what} among {', '.join(known) or 'none'}, but got {got!r}{hint}")


def check_offers(wanted: Iterable[Wanted], metrics: Any) -> None:
    """Asks the metrics server what it offers, and refuses a study that asks for something else.

    Args:
        wanted: What the study asks for; each kind of name costs one request.
        metrics: The client of the metrics server.

    Raises:
        StudyError: The server does not offer it; names the study file, the path in it, and a name that looks alike.
        RpcError: The server answered with an error, or could not be reached for too long.
    """
    offered: dict[Kind, dict[str, Capability]] = {}
    for each in wanted:
        if each.kind not in offered:
            offered[each.kind] = {info.name: info for info in _LISTS[each.kind](metrics)}
        each.check(offered[each.kind])
