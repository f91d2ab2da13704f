"""Babelscope's client library: hidden states and their similarity across languages, from servers near or far.

    import babelscope

    with babelscope.local() as mesh:
        views = {"en": english, "fr": french}  # lists of strings, or of `Text` with ids
        print(mesh.metrics.compare(views, model="bert-base-multilingual-cased").table())

`local()` starts servers on this machine, `connect(ADDRESS)` uses running ones. `babelscope.aio` has the same names for
asynchronous callers, `babelscope.errors` the errors.
"""

from babelscope.calls.corpus.means import LayerMeans, shift
from babelscope.calls.corpus.word_means import WordMeans
from babelscope.calls.encode import Window
from babelscope.calls.maps import FittedMap, StoredMap, load_map
from babelscope.calls.measures import Measure
from babelscope.calls.predictions import PredictedText, Predictions
from babelscope.calls.projection import Projection
from babelscope.calls.scoring import Scores
from babelscope.calls.tokens import Tokens
from babelscope.calls.views import View
from babelscope.data.activations import Activations, EncodedBlock, EncodedItem, EncodeInfo, EncodeTotals, Progress
from babelscope.data.capabilities import MapMethodInfo, MeasureInfo, OptionInfo, ScoreInfo, TaskInfo, TransformInfo
from babelscope.data.comparison import Comparison, Estimate, PairReport, ViewReport, ViewUse
from babelscope.data.datasets import Dataset, DatasetDescription, Step, StepReport
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word
from babelscope.data.items import ItemScores
from babelscope.data.jobs import Checkpoint, Job, JobEvent, JobFigure
from babelscope.data.jobs.alignment import Adversary
from babelscope.data.jobs.architecture import Architecture, Separation
from babelscope.data.jobs.sweep import SweepFigure, SweepTask
from babelscope.data.models import Intervention, LinearMap, Model, ModelInfo, Reinit, Shift
from babelscope.data.statistics import Anova, Correlation, Difference
from babelscope.data.texts import Text
from babelscope.errors import (
    BabelscopeError,
    Cancelled,
    CorpusError,
    DataCorrupted,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    MeshError,
    NoSuchService,
    NotFound,
    Refused,
    RpcError,
    ServerFault,
    StoreError,
    StudyError,
    TensorError,
    Unavailable,
)
from babelscope.local.mesh import LocalMesh, local
from babelscope.sync.datagen import DatagenClient, ExampleStream
from babelscope.sync.encoder import EncoderClient
from babelscope.sync.mesh import Mesh, connect
from babelscope.sync.metrics import MetricsClient
from babelscope.sync.streams import EncodeStream
from babelscope.sync.trainer import TrainerClient
from babelscope.transport.channel import TLS, ClientConfig
from babelscope.transport.mesh import ServiceStatus
from babelscope.transport.retry import RetryPolicy

TransformOption = OptionInfo
"""Former name of `OptionInfo`."""

__all__ = [
    "TLS",
    "Activations",
    "Adversary",
    "Anova",
    "Answer",
    "Architecture",
    "BabelscopeError",
    "Cancelled",
    "Checkpoint",
    "ClientConfig",
    "Comparison",
    "CorpusError",
    "Correlation",
    "DataCorrupted",
    "DatagenClient",
    "Dataset",
    "DatasetDescription",
    "DeadlineExceeded",
    "Difference",
    "EncodeInfo",
    "EncodeStream",
    "EncodeTotals",
    "EncodedBlock",
    "EncodedItem",
    "EncoderClient",
    "Estimate",
    "Example",
    "ExampleStream",
    "FittedMap",
    "Intervention",
    "InvalidRequest",
    "ItemScores",
    "Job",
    "JobEvent",
    "JobFigure",
    "LayerMeans",
    "LimitExceeded",
    "LinearMap",
    "LocalMesh",
    "MapMethodInfo",
    "Measure",
    "MeasureInfo",
    "Mesh",
    "MeshError",
    "MetricsClient",
    "Model",
    "ModelInfo",
    "NoSuchService",
    "NotFound",
    "OptionInfo",
    "PairReport",
    "PredictedText",
    "Predictions",
    "Progress",
    "Projection",
    "Question",
    "Refused",
    "Reinit",
    "RetryPolicy",
    "RpcError",
    "ScoreInfo",
    "Scores",
    "Sentence",
    "Separation",
    "ServerFault",
    "ServiceStatus",
    "Shift",
    "Step",
    "StepReport",
    "StoreError",
    "StoredMap",
    "StudyError",
    "SweepFigure",
    "SweepTask",
    "TaskInfo",
    "TensorError",
    "Text",
    "TextPair",
    "Tokens",
    "TrainerClient",
    "TransformInfo",
    "TransformOption",
    "Unavailable",
    "View",
    "ViewReport",
    "ViewUse",
    "Window",
    "Word",
    "WordMeans",
    "connect",
    "load_map",
    "local",
    "shift",
]
