"""Which models a server serves: glob patterns of names, of names at the hub, and of hubs."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from services.runtime.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is allowed. A `*` stands for any characters, `/` among them; no patterns at all allow everything.

    Attributes:
        models: Patterns of the names of all models, wherever they come from.
        hub_models: Patterns of the names of models that are fetched from the hub.
        hubs: Patterns of the hub's address.
    """

    models: tuple[str, ...] = ()
    hub_models: tuple[str, ...] = ()
    hubs: tuple[str, ...] = ()

    def problem(self, name: str, *, hub: str = "") -> str:
        """Why a model is not served; empty where it is.

        Args:
            name: Name of the model.
            hub: Address of the hub that it would be fetched from; empty for a local one.
        """
        checks = [("allowed_models", self.models, name)]
        if hub:
            checks += [("allowed_hub_models", self.hub_models, name), ("allowed_hubs", self.hubs, hub)]
        for setting, patterns, value in checks:
            if not matches(value, patterns):
                return f"this server serves {', '.join(patterns)} alone ({setting}), and {value} is none of these"
        return ""

    def check(self, name: str, *, hub: str = "") -> None:
        """Refuses a model that is not allowed.

        Raises:
            FailedPrecondition: It names the setting and its patterns.
        """
        if problem := self.problem(name, hub=hub):
            raise FailedPrecondition(f"model {name}", problem)


def matches(value: str, patterns: Sequence[str]) -> bool:
    """Whether a value matches one of some patterns, or there are none."""
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
