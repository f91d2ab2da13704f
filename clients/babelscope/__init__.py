"""Babelscope's client library: hidden states and their similarity across languages, from servers near or far.

    import babelscope

    with babelscope.local() as mesh:
        views = {"en": english, "fr": french}  # lists of strings, or of `Text` with ids
        print(mesh.metrics.compare(views, model="bert-base-multilingual-cased").table())

`local()` starts servers on this machine, `connect(ADDRESS)` uses running ones. `babelscope.aio` has the same names for
asynchronous callers, `babelscope.errors` the errors.
"""

from babelscope.activations import (
    Activations,
    EncodedBlock,
    EncodedItem,
    EncodeInfo,
    EncodeTotals,
    Progress,
)
from babelscope.base import Tokens
from babelscope.channel import TLS, ClientConfig
from babelscope.comparison import Comparison, Estimate, PairReport, ViewReport, ViewUse
from babelscope.corpora.examples import Answer, Example, Question, Sentence, TextPair, Word
from babelscope.datagen import DatagenClient, ExampleStream
from babelscope.datasets import Dataset, DatasetDescription, Step, StepReport, TransformInfo, TransformOption
from babelscope.encoder import EncoderClient
from babelscope.encoding import Window
from babelscope.errors import (
    BabelscopeError,
    Cancelled,
    CorpusError,
    DataCorrupted,
    DeadlineExceeded,
    InvalidRequest,
    LimitExceeded,
    MeshError,
    NotFound,
    Refused,
    RpcError,
    ServerFault,
    StudyError,
    TensorError,
    Unavailable,
)
from babelscope.items import ItemScores
from babelscope.local import LocalMesh, local
from babelscope.maps import FittedMap, StoredMap, load_map
from babelscope.mesh import Mesh, ServiceStatus, connect
from babelscope.metrics import MetricsClient
from babelscope.models import Intervention, LinearMap, Model, ModelInfo, Reinit, Shift
from babelscope.projection import Projection
from babelscope.retry import RetryPolicy
from babelscope.scoring import Scores
from babelscope.statistics import Anova, Correlation, Difference
from babelscope.streams import EncodeStream
from babelscope.texts import Text
from babelscope.views import Measure, View

__all__ = [
    "TLS",
    "Activations",
    "Anova",
    "Answer",
    "BabelscopeError",
    "Cancelled",
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
    "LimitExceeded",
    "LinearMap",
    "LocalMesh",
    "Measure",
    "Mesh",
    "MeshError",
    "MetricsClient",
    "Model",
    "ModelInfo",
    "NotFound",
    "PairReport",
    "Progress",
    "Projection",
    "Question",
    "Refused",
    "Reinit",
    "RetryPolicy",
    "RpcError",
    "Scores",
    "Sentence",
    "ServerFault",
    "ServiceStatus",
    "Shift",
    "Step",
    "StepReport",
    "StoredMap",
    "StudyError",
    "TensorError",
    "Text",
    "TextPair",
    "Tokens",
    "TransformInfo",
    "TransformOption",
    "Unavailable",
    "View",
    "ViewReport",
    "ViewUse",
    "Window",
    "Word",
    "connect",
    "load_map",
    "local",
]
