"""Where models come from: the settings that encoder and trainer share, read from `BABELSCOPE_*`."""

import os
from pathlib import Path

from babelscope.packaged import packaged_models
from pydantic import Field

from services.models.allowed import Allowed
from services.models.catalogue import ModelFiles
from services.models.checkpoints import StoredCheckpoints
from services.runtime.files.store import Store
from services.runtime.settings import FolderNames, Folders, Names, Seconds, ServerSettings


def default_checkpoints() -> Path:
    """The folder under the user's cache that holds local copies of checkpoints."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "babelscope" / "models"


class ModelSettings(ServerSettings):
    """What a server is told of models."""

    model_roots: Folders = Field(
        (), description="Folders whose sub-folders are models: a list in JSON, or separated like `PATH`."
    )
    model_aliases: FolderNames = Field({}, description="Names of models to their folders, an object in JSON.")
    hub: bool = Field(True, description="Whether models that are not local are fetched from the Hugging Face hub.")
    hub_seconds: Seconds = Field(
        3600.0, description="Time that the hub has to give all files of a model; after it the request is refused."
    )
    hub_cache: Path | None = Field(
        None, description="Folder of the hub's files; the hub's own default where not given."
    )
    allowed_models: Names = Field(
        (), description="Patterns such as `team/*` of the names of models that are served; all where not given."
    )
    allowed_hub_models: Names = Field(
        (), description="Patterns of the names of models that may be fetched from the hub; all where not given."
    )
    allowed_hubs: Names = Field(
        (), description="Patterns of the addresses of hubs (`HF_ENDPOINT`) that models may come from; all if not given."
    )
    checkpoint_dir: Path = Field(
        default_factory=default_checkpoints, description="Folder for local copies of the store's checkpoints."
    )

    def model_files(self, store: Store) -> ModelFiles:
        """The models that these settings name, and those that come with the package.

        Args:
            store: Store that holds checkpoints.
        """
        return ModelFiles(
            roots=self.model_roots,
            aliases=packaged_models() | self.model_aliases,
            hub=self.hub,
            cache_dir=self.hub_cache,
            checkpoints=StoredCheckpoints(store, self.checkpoint_dir),
            allowed=Allowed(self.allowed_models, self.allowed_hub_models, self.allowed_hubs),
        )
