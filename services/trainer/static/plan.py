"""What a job of static vectors is to do, and what its plan must be before anything is read."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from services.models.families import fields
from services.runtime.errors import InvalidArgument
from services.trainer.pretraining.plan import Form
from services.trainer.training.plan import LanguageSet

Kind = Literal["word2vec", "glove"]
Model = Literal["skip_gram", "cbow"]
LONGEST_STREAM: Final = 10_000
"""Tokens beyond which gensim leaves out the end of a sentence."""


@dataclass(frozen=True)
class StaticPlan:
    """Training of static vectors.

    Attributes:
        kind: word2vec (Mikolov et al. 2013) or GloVe (Pennington et al. 2014).
        train: Training sets, which are joined.
        vocabulary: Stored dataset with a tokenizer.json, or the name of a model that has one.
        form: What the texts of the sets are; see `PretrainPlan`.
        max_tokens: Longest example in tokens, special ones included; contexts end with it.
        dimension: Numbers of a vector, d.
        window: Tokens to each side that are context.
        min_count: Fewest occurrences of a token that gets a vector of its own.
        epochs: Passes over the streams, or over the co-occurrences.
        learning_rate: Learning rate at first.
        seed: Seed of vectors, of windows and samples, and of the order of co-occurrences.
        model: word2vec: whether a token predicts its context or its context the token.
        negative: word2vec: tokens drawn against each that is predicted.
        max_weight: GloVe: count from which all co-occurrences weigh the same, x_max.
        exponent: GloVe: exponent of the weight below it, alpha.
        batch: GloVe: co-occurrences of a step.
    """

    kind: Kind
    train: tuple[LanguageSet, ...]
    vocabulary: str
    form: Form = "text"
    max_tokens: int = 256
    dimension: int = 768
    window: int = 10
    min_count: int = 1
    epochs: int = 5
    learning_rate: float = 0.025
    seed: int = 0
    model: Model = "skip_gram"
    negative: int = 5
    max_weight: float = 100.0
    exponent: float = 0.75
    batch: int = 4096

    @property
    def languages(self) -> str:
        """Languages of the training sets, joined by `+`."""
        return "+".join(dict.fromkeys(each.language for each in self.train if each.language))


def check(plan: StaticPlan) -> None:
    """Refuse a plan that cannot be carried out, whatever the data.

    Raises:
        InvalidArgument: Names the field of the request, what was expected and what was got.
    """
    if not plan.train:
        raise InvalidArgument("train", "Expected at least one training set, but got none")
    if not plan.vocabulary:
        raise InvalidArgument("vocabulary", "Expected the vocabulary whose sub-words get vectors, but got none")
    for name, choices in (("kind", get_args(Kind)), ("form", get_args(Form)), ("model", get_args(Model))):
        value = getattr(plan, name)
        if value not in choices:
            raise InvalidArgument(name, f"Expected one of {', '.join(choices)}, but got {value!r}")
    if expected := fields.whole(6, LONGEST_STREAM)(plan.max_tokens):
        raise InvalidArgument("max_tokens", f"Expected {expected}, but got {plan.max_tokens}")
    for name, least in (
        ("dimension", 1),
        ("window", 1),
        ("min_count", 1),
        ("epochs", 1),
        ("negative", 1),
        ("batch", 1),
    ):
        if expected := fields.whole(least)(getattr(plan, name)):
            raise InvalidArgument(name, f"Expected {expected}, but got {getattr(plan, name)}")
    for name, most in (("learning_rate", 10.0), ("max_weight", 1e9), ("exponent", 1.0)):
        if expected := fields.number(0.0, most)(getattr(plan, name)):
            raise InvalidArgument(name, f"Expected {expected}, but got {getattr(plan, name)}")
