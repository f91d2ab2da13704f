"""Models from the Hugging Face hub, through its own client and its own cache: safetensors and text files only.

Weights are fetched last, and only those that are read: a model is judged by its configuration and by the hub's list of
its files before anything large is asked for.
"""

import glob
from collections.abc import Sequence
from pathlib import Path

from services.models.files.checkpoint import INDEX_FILE
from services.models.files.folders import TEXT_FILES, required_files
from services.models.tokens.tokenizer_file import is_language_file
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound

SMALL_FILES = ("config.json", "tokenizer_config.json", INDEX_FILE)
"""What a model is judged by."""
_UNREACHED = "the hub cannot be reached"


class Hub:
    """The hub, or its cache where it cannot be reached.

    Args:
        cache_dir: Folder of the downloads; None for the hub client's default.
    """

    def __init__(self, cache_dir: Path | None = None) -> None:
        self._cache_dir = cache_dir
        from services.runtime.files.hub_answers import bound_answers

        bound_answers()

    @property
    def address(self) -> str:
        """Where the hub is: `HF_ENDPOINT`, or its own address."""
        from huggingface_hub import constants

        return str(constants.ENDPOINT)

    def config(self, name: str, revision: str) -> Path:
        """A folder that holds the model's configuration, so that it can be judged before its weights are fetched."""
        return self._fetch(name, revision, SMALL_FILES)

    def model(self, name: str, revision: str, *, cached: bool = False) -> Path:
        """A folder that holds the model: configuration, tokenizer, safetensors.

        Args:
            name: The hub id.
            revision: Branch, tag or commit; the default one where empty.
            cached: Whether it was fetched a moment ago, so that the hub need not be asked again.

        Raises:
            FailedPrecondition: By the list of its files it cannot be served.
        """
        folder = self._fetch(name, revision, SMALL_FILES, cached=cached)
        present = None if cached else self._listed(name, folder.name)
        if present is None:
            return folder
        required = required_files(present, folder, f"model {name}")
        texts = [file for file in sorted(present) if file in TEXT_FILES or is_language_file(file)]
        # By the commit: a branch may have moved on since the list was made.
        return self._fetch(name, folder.name, [*texts, *SMALL_FILES, *required.weights])

    def _listed(self, name: str, commit: str) -> set[str] | None:
        """The names of a commit's files; None where the hub cannot be reached or sends something else."""
        from httpx import HTTPError
        from huggingface_hub import HfApi

        from services.runtime.files.hub_answers import MALFORMED

        try:
            return set(HfApi().list_repo_files(name, revision=commit))
        except (OSError, HTTPError, *MALFORMED):
            return None

    def _fetch(self, name: str, revision: str, files: Sequence[str], *, cached: bool = False) -> Path:
        """The snapshot's folder, named by its commit.

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
            return self._download(name, revision, files, cached=cached)
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

    def _download(self, name: str, revision: str, files: Sequence[str], *, cached: bool) -> Path:
        """The snapshot's folder, from the hub or, where it cannot be reached, from the cache."""
        from httpx import HTTPError
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HFValidationError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        from services.runtime.files.hub_answers import MALFORMED, HubAnswerRefused

        def fetch(local_only: bool) -> Path:
            return Path(
                snapshot_download(
                    name,
                    revision=revision or None,
                    cache_dir=self._cache_dir,
                    allow_patterns=[glob.escape(file) for file in files],
                    local_files_only=local_only,
                )
            )

        try:
            return fetch(cached)
        except (GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError):
            raise
        except (OSError, HTTPError, *MALFORMED) as reason:
            try:
                return fetch(True)
            except (OSError, HTTPError, *MALFORMED) as error:
                is_refused = isinstance(reason, (HubAnswerRefused, *MALFORMED))
                why = f"the hub's answer is not taken: {reason or type(reason).__name__}" if is_refused else ""
                note = f"it is neither under the model roots nor in the hub's cache, and {why or _UNREACHED}"
                raise NotFound("model", name, note=note) from error
