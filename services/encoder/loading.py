"""A model from its name to an engine that is ready to encode."""

import os

from services.encoder.backends.torch import TorchBackend
from services.encoder.backends.transformers import TransformersBackend
from services.encoder.engine import Engine
from services.models.catalogue import ModelFiles, is_packed, load_model
from services.models.general_model import load_general
from services.models.spec import ModelSpec


def load_engine(
    files: ModelFiles, spec: ModelSpec, *, device: str = "cpu", threads: int | None = None, cached: bool = False
) -> Engine:
    """Load a model: packed where its family is, otherwise as transformers' own modules.

    Args:
        files: Files of the models that may be loaded.
        spec: Specification of the weights.
        device: `cpu`, `cuda`, `cuda:0`.
        threads: Cores to use on a processor; all of this process's where None.
        cached: Whether `files.resolve` has just found the model.

    Raises:
        ServiceError: As `load_model` and `load_general`.
    """
    cores = threads or len(os.sched_getaffinity(0))
    folder = files.find(spec.name, spec.revision, cached=cached)
    if not is_packed(folder, f"model {spec.name}"):
        general = load_general(files, folder, spec, device)
        return Engine(
            general.info,
            general.tokenizer,
            TransformersBackend(general.encoder, threads=cores),
            general.encoder.base.languages,
        )
    model = load_model(files, spec, device=device, cached=True)
    backend = TorchBackend(model.encoder, model.positions, device=device, threads=cores)
    return Engine(model.info, model.tokenizer, backend)
