"""Interventions on the texts of single languages, as when one language's hidden states are mapped to another's.

A map that was fitted from English to Chinese (Hsu et al. 2019, appendix A.2.1) is meant for English texts alone: while
training on English, it is applied; on Chinese texts of the same job, it is not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from babelscope.data.languages import same_language, spelling
from torch import Tensor

from services.models.layers.blocks import Layout
from services.models.layers.interventions import Interventions
from services.models.spec import Edit
from services.trainer.data.batches import Batch
from services.trainer.data.pieces import Ints


@dataclass(frozen=True, eq=False)
class LanguageEdit:
    """An edit of the hidden states of some texts.

    Attributes:
        edit: The edit.
        language: Language tag of the texts, in any spelling; all texts where empty.
    """

    edit: Edit
    language: str = ""

    @property
    def digest(self) -> str:
        """Equal digests, equal edits."""
        return f"{self.language}:{self.edit.digest}" if self.language else self.edit.digest


def idle_warnings(languages: Iterable[str], tags: Iterable[str]) -> tuple[str, ...]:
    """Warnings of edits that touch no text.

    Args:
        languages: Languages of the edits; empty for all texts.
        tags: Languages of a job's sets; where one is empty, its examples may be of any language.
    """
    known = tuple(dict.fromkeys(tags))
    if "" in known:
        return ()
    return tuple(
        f"Interventions on {each} touch no text: the sets are of {', '.join(known)}"
        for each in dict.fromkeys(languages)
        if each and spelling(each, known) is None
    )


class LayerEdits(Protocol):
    """What is done to the hidden states of one batch on their way."""

    def touches(self, layer: int) -> bool:
        """Whether a layer has edits."""

    def apply(self, layer: int, hidden_TD: Tensor, layout: Layout) -> Tensor:
        """The hidden states of a layer after its edits; the argument itself where there are none."""


class LanguageInterventions:
    """Edits by language, on the model's device.

    Args:
        edits: In order.
        device: Device of the hidden states.
    """

    def __init__(self, edits: Sequence[LanguageEdit], device: str) -> None:
        self._parts = [(each.language, Interventions([each.edit], device)) for each in edits]

    def of(self, batch: Batch) -> LayerEdits:
        """The edits of a batch, each piece of which belongs to the texts of its own language."""
        rows = {language: _rows(batch, language) for language, _ in self._parts if language}
        return _BatchEdits(
            [
                (_Part(rows[language], batch.layout) if language else None, interventions)
                for language, interventions in self._parts
                if not language or len(rows[language])
            ]
        )


def _rows(batch: Batch, language: str) -> Ints:
    """Rows of the pieces of a language, however their tags spell it."""
    spans = [
        np.arange(first, first + len(piece.text))
        for piece, first in zip(batch.pieces, batch.layout.starts.tolist(), strict=True)
        if same_language(piece.language, language)
    ]
    return np.concatenate(spans) if spans else np.zeros(0, dtype=np.int64)


class _Part:
    """Some rows of a batch as a layout of their own.

    Args:
        rows: [R] rows, ascending.
        layout: Layout of the whole batch.
    """

    def __init__(self, rows: Ints, layout: Layout) -> None:
        content = np.flatnonzero(np.isin(rows, layout.content.cpu().numpy()))
        device = layout.content.device
        self.rows = torch.from_numpy(rows).to(device)
        self.layout = replace(layout, content=torch.from_numpy(content).to(device))


class _BatchEdits:
    """Edits of one batch, each with the rows that it touches; None for all."""

    def __init__(self, parts: Sequence[tuple[_Part | None, Interventions]]) -> None:
        self._parts = parts

    def touches(self, layer: int) -> bool:
        """Whether a layer has edits."""
        return any(interventions.touches(layer) for _, interventions in self._parts)

    def apply(self, layer: int, hidden_TD: Tensor, layout: Layout) -> Tensor:
        """The hidden states of a layer after its edits."""
        for part, interventions in self._parts:
            if part is None:
                hidden_TD = interventions.apply(layer, hidden_TD, layout)
            elif interventions.touches(layer):
                edited = interventions.apply(layer, hidden_TD[part.rows], part.layout)
                hidden_TD = hidden_TD.index_copy(0, part.rows, edited)
        return hidden_TD
