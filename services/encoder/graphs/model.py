"""A model from its name to a graph that is ready to run; its weights are read only where it must be exported."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.encoder.graphs.export import export
from services.encoder.graphs.graph import GraphFacts, graph_key
from services.encoder.graphs.installed import choose_device, runtime
from services.encoder.graphs.session import Session
from services.encoder.graphs.shelf import Graphs
from services.models import catalogue
from services.models.catalogue import ModelFiles
from services.models.families.own import OWN
from services.models.files.digests import folder_digest, reinit_digest, tokens_digest
from services.models.files.folders import ModelFolder
from services.models.general import modules
from services.models.general.languages import Languages, languages_of
from services.models.general_model import load_general
from services.models.spec import ModelInfo, ModelSpec
from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import FailedPrecondition


@dataclass(frozen=True, eq=False)
class GraphModel:
    """A model in memory.

    Attributes:
        info: What clients are told of it.
        tokenizer: Its tokenizer.
        languages: The languages that it must be told; None where it needs none.
        session: Its graph.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    languages: Languages | None
    session: Session


def load_graph(files: ModelFiles, folder: ModelFolder, spec: ModelSpec, graphs: Graphs, device: str) -> GraphModel:
    """Load a model as a graph, exported first where the store has none.

    Args:
        files: Files of the models.
        folder: Folder that `files.find` gave.
        spec: Specification of the weights, with the arithmetic of the graph.
        graphs: Graphs of the store.
        device: Device of the server.

    Raises:
        Stopped: Nobody waits for it any more.
        InvalidArgument: Layers that the model does not have.
        FailedPrecondition: ONNX Runtime is not installed, or the model cannot be exported; with the reason.
    """
    runtime()
    dtype = spec.graph
    if dtype is None:
        raise ValueError("Expected the arithmetic of a graph")
    subject = f"model {spec.name}"
    config = _configuration(folder, subject)
    tokenizer = Tokenizer.load(folder.path, subject)
    digest = reinit_digest(tokens_digest(folder_digest(folder.files), tokenizer.difference), spec.reinit)

    def make(place: Path) -> GraphFacts:
        model = load_general(files, folder, replace(spec, graph=None), "cpu")
        return export(model.encoder, model.info, dtype, place)

    graph = graphs.get(graph_key(digest, dtype), make)
    languages = languages_of(config, tokenizer.backend)
    session = Session(graph, choose_device(device, quantised=dtype == "int8"), spec.name)
    facts = graph.facts
    info = ModelInfo(
        name=spec.name,
        revision=spec.revision,
        family=folder.family,
        layers=facts.layers,
        hidden_size=facts.hidden_size,
        heads=facts.heads,
        vocabulary_size=facts.vocabulary_size,
        max_tokens=facts.max_tokens,
        parameters=facts.parameters,
        digest=digest,
        predicts_tokens=False,
        headless="graphs give hidden states only",
        engine="onnx",
        languages=() if languages is None else languages.names,
    )
    return GraphModel(info, tokenizer, languages, session)


def _configuration(folder: ModelFolder, subject: str) -> Any:
    """The configuration, refused where the packed path refuses it: back ends serve the same models.

    Raises:
        FailedPrecondition: It is refused, or transformers has no module of its family to export.
    """
    if folder.family in OWN:
        raise FailedPrecondition(
            subject,
            f"it cannot be exported for backend ONNX, which starts from transformers' modules, and {folder.family} is "
            "a family of this project that transformers does not know; backend TORCH serves it",
        )
    read = catalogue.configuration if catalogue.is_packed(folder, subject) else modules.configuration
    return read(folder, subject)
