"""Names of translation models to folders: below the allowed roots, or of the hub."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from services.runtime.names import check_name

FIELD = "options[model]"
_HUB_FILES = ("*.json", "*.safetensors", "*.spm", "*.model", "*.txt")


class ModelFolders:
    """Where translation models may come from.

    Args:
        roots: Folders whose sub-folders are models.
        hub: Whether other names are looked up at the Hugging Face hub.
    """

    def __init__(self, roots: Sequence[Path], *, hub: bool) -> None:
        self._roots, self._hub = [root.resolve() for root in roots], hub

    def find(self, name: str) -> Path:
        """The folder of a model, which holds safetensors and nothing that would have to be unpickled is read.

        Raises:
            InvalidArgument: A name that leads out of the roots.
            NotFound: No such model.
            FailedPrecondition: It holds no configuration or no safetensors.
            Unavailable: The hub does not answer.
        """
        check_name(name, FIELD, "a folder below a root, or a hub id, without `..`")
        folder = self._local(name) or self._downloaded(name)
        if not (folder / "config.json").is_file():
            raise FailedPrecondition(f"model {name}", "Expected a model's folder, but it has no config.json")
        if not list(folder.glob("*.safetensors")):
            raise FailedPrecondition(f"model {name}", "Expected weights as safetensors, but the folder has none")
        return folder

    def _local(self, name: str) -> Path | None:
        for root in self._roots:
            folder = (root / name).resolve()
            if folder.is_dir():
                if not folder.is_relative_to(root) or not all(
                    path.resolve().is_relative_to(root) for path in folder.iterdir()
                ):
                    problem = f"Expected {name} to lie within a root, but a link leads out of it"
                    raise InvalidArgument(FIELD, problem)
                return folder
        return None

    def _downloaded(self, name: str) -> Path:
        nearby = sorted(path.name for root in self._roots if root.is_dir() for path in root.iterdir() if path.is_dir())
        if not self._hub or name.count("/") > 1:
            raise NotFound("translation model", name, nearby[:5])
        from httpx import HTTPError
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

        from services.runtime.files.hub_answers import MALFORMED, bound_answers

        bound_answers()
        try:
            return Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
        except RepositoryNotFoundError as error:
            raise NotFound("translation model", name, nearby[:5]) from error
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError, HTTPError, *MALFORMED) as error:
            raise Unavailable(f"Expected {name} from the hub, but it cannot be had: {error}") from error


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a model's files."""
    parts = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            parts.append((path.name, hashlib.file_digest(file, "sha256").hexdigest()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
