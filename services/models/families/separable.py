"""BERT whose languages do not share all of it (Conneau, Wu et al. 2020, section 4.3), a family of this project.

config.json has BERT's fields and four of its own: `languages`, `separate_embeddings`, `separate_layers` (the number of
blocks, from the first on, of which each language has its own) and `separate_softmax`. What is shared has BERT's names;
what a language has of its own stands under `languages.LANGUAGE.`, and its masked-language-model head under
`heads.LANGUAGE.`. The output layer is the word table where both are shared or both are separate. Where the vocabularies
are joined, `tokenizer.LANGUAGE.json` cuts the texts of a language; its ids are those of the whole vocabulary.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from torch import Tensor

from services.models.families import fields
from services.models.families.bert import BertFamily
from services.models.families.heads import HeadLayout
from services.models.layers.blocks import Block
from services.models.layers.separate import SeparateBlock
from services.models.weights import Embeddings, SeparateEmbeddings, Slot, Source

NAME: Final = "separable"
"""Model type in config.json."""
SPECIFIC: Final = "languages."
"""Beginning of the names of the tensors that one language has of its own."""
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")


def tags_expected(value: Any) -> str:
    """What was expected of a list of languages; empty where it is right."""
    good = (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in value)
        and len(set(value)) == len(value)
    )
    return "" if good else "a list of different language tags"


class SeparableFamily(BertFamily):
    """BERT's embeddings, blocks and head, each shared or a language's own."""

    prefixes: tuple[str, ...] = ()
    owned: tuple[str, ...] = ("embeddings.", SPECIFIC)
    checks: Mapping[str, fields.Check] = {
        **BertFamily.checks,
        "languages": tags_expected,
        "separate_embeddings": fields.truth,
        "separate_layers": fields.whole(0, fields.MOST_LAYERS),
        "separate_softmax": fields.truth,
    }

    def refusal(self, config: Any) -> str:
        """Why a model of this family cannot be served; empty where it can."""
        reason = super().refusal(config)
        if reason:
            return reason
        if config.separate_layers > config.num_hidden_layers:
            return (
                f"Expected `separate_layers` in config.json to be at most `num_hidden_layers`, "
                f"{config.num_hidden_layers}, but got {config.separate_layers}"
            )
        if config.tie_word_embeddings and config.separate_embeddings != config.separate_softmax:
            return (
                "Expected `tie_word_embeddings` in config.json to be false where either the embeddings or the softmax "
                "are separate and the others shared, but got true"
            )
        return ""

    def languages(self, config: Any) -> tuple[str, ...]:
        """The languages, in the order in which their parts stand."""
        return tuple(config.languages)

    def embeddings(self, source: Source, config: Any) -> Embeddings | SeparateEmbeddings:
        """Word, position and segment tables, and their norm: those of all languages, or of each."""
        if not config.separate_embeddings:
            return self._shared_embeddings(source, config)
        sources = [_Own(source, language) for language in config.languages]
        return SeparateEmbeddings(tuple(self._shared_embeddings(own, config) for own in sources))

    def block(self, source: Source, config: Any, layer: int) -> Block:
        """The block whose output is hidden state `layer`: that of all languages, or of each."""
        if layer > config.separate_layers:
            return super().block(source, config, layer)
        sources = [_Own(source, language) for language in config.languages]
        return SeparateBlock(tuple(super(SeparableFamily, self).block(own, config, layer) for own in sources))

    def head(self, config: Any) -> HeadLayout:
        """Where its heads are: one, or one of each language."""
        layout = super().head(config)
        if not config.separate_softmax:
            return layout
        return replace(layout, parts=tuple(f"heads.{language}." for language in config.languages))


@dataclass(frozen=True)
class _Own:
    """A source of what one language has of its own."""

    source: Source
    language: str

    def tensor(self, slot: Slot) -> Tensor:
        """The language's tensor of a slot."""
        return self.source.tensor(replace(slot, name=f"{SPECIFIC}{self.language}.{slot.name}"))
