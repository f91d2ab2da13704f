"""Names of models to verified folders on this machine, and folders to engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.encoder.engine import Engine
from services.encoder.spec import ModelSpec


@dataclass(frozen=True)
class ModelSummary:
    """One model that a server can name.

    Attributes:
        name: The name by which requests call it.
        family: The Hugging Face model type; empty where there is none.
        reason: Why it is refused; empty where it can be served.
    """

    name: str
    family: str
    reason: str


class ModelFiles:
    """Where models may come from.

    Args:
        roots: Folders whose sub-folders are models; names are relative to them.
        aliases: Names to folders anywhere.
        hub: Whether other names are looked up at the hub.
        cache_dir: The hub's cache; None for its default.
    """

    def __init__(
        self,
        roots: Sequence[Path] = (),
        aliases: Mapping[str, Path] | None = None,
        hub: bool = False,
        cache_dir: Path | None = None,
    ) -> None:
        raise NotImplementedError

    def resolve(self, name: str, revision: str = "") -> Path:
        """The verified local folder of a model.

        Raises:
            InvalidArgument: A name that leaves the roots, or a revision of a local folder.
            NotFound: No such model.
            FailedPrecondition: A model that cannot be served, with the reason.
        """
        raise NotImplementedError

    def list(self) -> list[ModelSummary]:
        """All models under the roots and aliases, by name; those refused with their reason."""
        raise NotImplementedError


def load_engine(files: ModelFiles, spec: ModelSpec, *, device: str = "cpu", threads: int | None = None) -> Engine:
    """Load a model. Re-initialised variants share the tensors they do not redraw with their base model while it lives."""
    raise NotImplementedError
