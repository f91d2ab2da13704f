"""Models from the Hugging Face hub, through its own client and its own cache: safetensors and text files only."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound

CONFIG_PATTERNS = ["config.json", "tokenizer_config.json"]
MODEL_PATTERNS = [
    "*.json",
    "*.txt",
    "model.safetensors",
    "model-*-of-*.safetensors",
]
NESTED_PATTERNS = ["*/*"]
SILENT_SECONDS: Final = 20.0
"""How long the hub may send nothing in the midst of an answer. Its own client would wait for ever."""


class Hub:
    """The hub, or its cache where it cannot be reached.

    Args:
        cache_dir: Folder of the downloads; None for the hub client's default.
    """

    def __init__(self, cache_dir: Path | None = None) -> None:
        self._cache_dir = cache_dir
        _set_timeouts()

    @property
    def address(self) -> str:
        """Where the hub is: `HF_ENDPOINT`, or its own address."""
        from huggingface_hub import constants

        return str(constants.ENDPOINT)

    def config(self, name: str, revision: str) -> Path:
        """A folder that holds the model's configuration, so that it can be judged before its weights are fetched."""
        return self._fetch(name, revision, CONFIG_PATTERNS)

    def model(self, name: str, revision: str, *, cached: bool = False) -> Path:
        """A folder that holds the model: configuration, tokenizer, safetensors.

        Args:
            name: The hub id.
            revision: Branch, tag or commit; the default one where empty.
            cached: Whether it was fetched a moment ago, so that the hub need not be asked again.
        """
        return self._fetch(name, revision, MODEL_PATTERNS, cached=cached)

    def _fetch(self, name: str, revision: str, patterns: list[str], *, cached: bool = False) -> Path:
        """The snapshot's folder.

        Raises:
            InvalidArgument: Not a hub id, or no such revision.
            NotFound: No such model; or the cache does not have it and the hub cannot be reached, which the note says.
                Waiting seldom brings a hub back, so this is not Unavailable, which clients would retry.
            FailedPrecondition: A model that only some may read.
        """
        from huggingface_hub.errors import (
            GatedRepoError,
            HFValidationError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        try:
            return self._download(name, revision, patterns, cached=cached)
        except HFValidationError as error:
            raise InvalidArgument(
                "spec.model.name", f"Expected a hub id such as `org/name`, but got {name!r}"
            ) from error
        except GatedRepoError as error:
            raise FailedPrecondition(f"model {name}", "the hub gives it only to those whom its owner admits") from error
        except RepositoryNotFoundError as error:
            raise NotFound("model", name) from error
        except RevisionNotFoundError as error:
            raise InvalidArgument(
                "spec.model.revision", f"Expected a revision of model {name}, but there is no {revision!r}"
            ) from error

    def _download(self, name: str, revision: str, patterns: list[str], *, cached: bool) -> Path:
        """The snapshot's folder, from the hub or, where it cannot be reached, from the cache."""
        from httpx import HTTPError
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        def fetch(local_only: bool) -> Path:
            return Path(
                snapshot_download(
                    name,
                    revision=revision or None,
                    cache_dir=self._cache_dir,
                    allow_patterns=patterns,
                    ignore_patterns=NESTED_PATTERNS,
                    local_files_only=local_only,
                )
            )

        try:
            return fetch(cached)
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
            raise
        except (OSError, HTTPError):
            try:
                return fetch(True)
            except (OSError, HTTPError) as error:
                note = "it is neither under the model roots nor in the hub's cache, and the hub cannot be reached"
                raise NotFound("model", name, note=note) from error


@lru_cache(maxsize=1)
def _set_timeouts() -> None:
    """Has the hub's client give up a server that accepts and never answers: of all its connections, once a process."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def client() -> Any:
        made = default_client_factory()
        made.timeout = SILENT_SECONDS
        return made

    set_client_factory(client)
