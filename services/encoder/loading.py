"""A model from its name to an engine that is ready to encode."""

import os

from services.encoder.backends.torch import TorchBackend
from services.encoder.engine import Engine
from services.models.catalogue import ModelFiles, load_model
from services.models.spec import ModelSpec


def load_engine(
    files: ModelFiles, spec: ModelSpec, *, device: str = "cpu", threads: int | None = None, cached: bool = False
) -> Engine:
    """Load a model for the PyTorch back end.

    Args:
        files: Files of the models that may be loaded.
        spec: Specification of the weights.
        device: `cpu`, `cuda`, `cuda:0`.
        threads: Cores to use on a processor; all of this process's where None.
        cached: Whether `files.resolve` has just found the model.

    Raises:
        ServiceError: As `load_model`.
    """
    model = load_model(files, spec, device=device, cached=cached)
    cores = threads or len(os.sched_getaffinity(0))
    backend = TorchBackend(model.encoder, model.positions, device=device, threads=cores)
    return Engine(model.info, model.tokenizer, backend)
