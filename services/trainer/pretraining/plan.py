"""What a pretraining job is to do."""

from dataclasses import dataclass, field
from typing import Literal

from babelscope.data.jobs.architecture import Architecture

from services.models.spec import ModelSpec
from services.trainer.training.plan import LanguageSet, Optimisation

Form = Literal["text", "pieces", "ids"]

STORED = "datasets/"
"""Beginning of the names of stored datasets."""
FAMILIES = ("bert", "roberta", "modernbert")
"""Families of which a model can be drawn from a configuration."""


@dataclass(frozen=True)
class Masking:
    """What becomes of the tokens of a stream (Devlin et al. 2019, section 3.1).

    Attributes:
        rate: Share of the tokens, special ones aside, that are to be predicted.
        masked: Share of these that are replaced by the mask token.
        random: Share of these that are replaced by a random token; the rest stays as it is.
        within_language: Whether random tokens are those that occur in the training sets of the stream's language
            (Conneau, Wu et al. 2020, section 4.3); else those of the whole vocabulary.
    """

    rate: float = 0.15
    masked: float = 0.8
    random: float = 0.1
    within_language: bool = False


@dataclass(frozen=True)
class PretrainPlan:
    """A masked-language-model pretraining run.

    Attributes:
        train: Training sets of running text.
        dev: Development sets; the best model is that of the lowest perplexity on those of the source language, the
            last one where there are none.
        model: Model to go on from; None for a new one.
        architecture: Configuration of the new model, heads and feed-forward width filled in; None where there is a
            model to go on from.
        vocabulary: Of a new model: a stored dataset with a tokenizer.json, or the name of a model.
        form: What the texts of the sets are: running text, which is cut and joined into streams, or streams of
            sub-words or of their ids, one an example.
        exponent: Exponent of each language's share of the streams (Conneau and Lample 2019, equation 1).
        masking: What becomes of the tokens.
        source: Language by which the best model is chosen; that of the first training set where empty.
        optimisation: How the model is optimised.
        max_tokens: Longest input in tokens, special ones included; the model's longest where 0.
        threads: Threads of the arithmetic on a processor; what torch has where 0.
    """

    train: tuple[LanguageSet, ...]
    dev: tuple[LanguageSet, ...] = ()
    model: ModelSpec | None = None
    architecture: Architecture | None = None
    vocabulary: str = ""
    form: Form = "text"
    exponent: float = 0.7
    masking: Masking = field(default_factory=Masking)
    source: str = ""
    optimisation: Optimisation = field(default_factory=Optimisation)
    max_tokens: int = 0
    threads: int = 0

    @property
    def chosen_source(self) -> str:
        """Language by which the best model is chosen."""
        return self.source or self.train[0].language

    @property
    def tags(self) -> tuple[str, ...]:
        """Languages of the training sets, each once."""
        return tuple(dict.fromkeys(each.language for each in self.train))

    @property
    def languages(self) -> str:
        """Languages of the training sets, joined by `+`."""
        return "+".join(tag for tag in self.tags if tag)
