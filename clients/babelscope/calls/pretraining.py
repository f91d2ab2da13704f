"""Requests for pretraining."""

from collections.abc import Mapping
from typing import Any, Final

from babelscope.calls.jobs import OptimisationOptions, Sets, datasets, optimisation
from babelscope.data.jobs.architecture import Architecture
from babelscope.data.models import Model, choose
from babelscope.v1 import trainer_pb2

FORMS: Final = {
    "text": trainer_pb2.STREAM_FORM_TEXT,
    "pieces": trainer_pb2.STREAM_FORM_PIECES,
    "ids": trainer_pb2.STREAM_FORM_IDS,
}


class PretrainOptions(OptimisationOptions, total=False):
    """How a masked language model is pretrained. What is left out has the default that the contract names."""

    form: str
    """What the texts of the sets are: `text`, or streams of `pieces` or `ids`."""
    language_exponent: float
    """Exponent of each language's share of the streams."""
    mask_rate: float
    """Share of the tokens that are predicted."""
    masked: float
    """Share of these that are replaced by the mask token."""
    random: float
    """Share of these that are replaced by a random token."""
    random_within_language: bool
    """Whether random tokens are those that occur in the training sets of the stream's language."""
    source: str
    """Language by whose perplexity the best checkpoint is chosen."""
    learning_rate: float
    """Peak learning rate."""
    head_learning_rate: float
    """Peak learning rate of the head; that of the encoder where not given."""
    epochs: float
    """Passes over as many streams as there are."""
    seed: int
    """Seed of the weights, of the order of the data, of masks and of dropout."""
    max_tokens: int
    """Longest input in tokens, special ones included; the model's longest where 0."""


_PLAIN: Final = (
    "language_exponent",
    "mask_rate",
    "masked",
    "random",
    "random_within_language",
    "source",
    "max_tokens",
)


def pretrain_mlm_spec(
    start: Model | Architecture | str, vocabulary: str, how: Mapping[str, Any], *, train: Sets, dev: Sets
) -> trainer_pb2.PretrainMlmSpec:
    """The specification of a pretraining job.

    Raises:
        ValueError: There is no such form, schedule or dtype.
    """
    spec = trainer_pb2.PretrainMlmSpec(
        vocabulary=vocabulary,
        train=datasets(train),
        dev=datasets(dev),
        optimisation=optimisation(how),
        **{name: how[name] for name in _PLAIN if name in how},
    )
    if "form" in how:
        spec.form = choose(FORMS, "form", how["form"])
    if isinstance(start, Architecture):
        spec.architecture.CopyFrom(start.to_proto())
    else:
        spec.model.CopyFrom(Model.of(start).to_proto())
    return spec
