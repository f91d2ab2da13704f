"""A model from its name to an engine that is ready to encode."""

import os

from services.encoder.backends.onnx import OnnxBackend
from services.encoder.backends.torch import TorchBackend
from services.encoder.backends.transformers import TransformersBackend
from services.encoder.engine import Engine
from services.encoder.graphs.model import load_graph
from services.encoder.graphs.shelf import Graphs
from services.models.catalogue import ModelFiles, is_packed, load_model
from services.models.general_model import load_general
from services.models.spec import ModelSpec


def load_engine(
    files: ModelFiles,
    spec: ModelSpec,
    *,
    device: str = "cpu",
    threads: int | None = None,
    cached: bool = False,
    graphs: Graphs | None = None,
) -> Engine:
    """Load a model: as a graph where that is asked for, else packed where its family is, else transformers' modules.

    On a GPU it runs once before it is returned.

    Args:
        files: Files of the models that may be loaded.
        spec: Specification of the weights.
        device: `cpu`, `cuda`, `cuda:0`.
        threads: Cores to use on a processor; all of this process's where None.
        cached: Whether `files.resolve` has just found the model.
        graphs: Graphs of the store; needed where the specification asks for one.

    Raises:
        ServiceError: As `load_model`, `load_general`, `load_graph` and `Engine.warm_up`.
    """
    engine = _loaded(files, spec, device=device, threads=threads, cached=cached, graphs=graphs)
    if engine.device != "cpu":
        engine.warm_up()
    return engine


def _loaded(
    files: ModelFiles, spec: ModelSpec, *, device: str, threads: int | None, cached: bool, graphs: Graphs | None
) -> Engine:
    """As `load_engine`, without the run."""
    cores = threads or len(os.sched_getaffinity(0))
    folder = files.find(spec.name, spec.revision, cached=cached)
    if spec.graph is not None:
        if graphs is None:
            raise ValueError("Expected graphs of a store for a model that is to be computed as one")
        graph = load_graph(files, folder, spec, graphs, device)
        backend = OnnxBackend(graph.session, graph.languages, threads=cores)
        return Engine(graph.info, graph.tokenizer, backend, graph.languages)
    if not is_packed(folder, f"model {spec.name}"):
        general = load_general(files, folder, spec, device)
        return Engine(
            general.info,
            general.tokenizer,
            TransformersBackend(general.encoder, threads=cores),
            general.encoder.base.languages,
        )
    model = load_model(files, spec, device=device, cached=True)
    packed = TorchBackend(model.encoder, model.positions, device=device, threads=cores)
    return Engine(model.info, model.tokenizer, packed, model.languages)
