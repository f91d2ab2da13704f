"""Predictions of a model and a head on a set, and their figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from babelscope.data.examples import Example

from services.trainer.alignment.edits import LanguageEdit, LanguageInterventions
from services.trainer.data.order import by_length
from services.trainer.data.pieces import Piece
from services.trainer.evaluation.figures import Scorer, SetFigures
from services.trainer.evaluation.forward import Forward
from services.trainer.evaluation.lower import Lower
from services.trainer.evaluation.sets import PreparedSet, nothing_to_score
from services.trainer.tasks.base import Answer, Head, Labels, Task

CPU_TOKENS = 1024
"""Tokens of a batch on a processor: enough for full speed of the matrix products, few enough for the caches."""
GPU_TOKENS = 1 << 14


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model with the head of a task.

    Attributes:
        forward: Forward of the encoder.
        task: The task.
        labels: Labels of the head.
        head: The head.
        edits: Interventions on the hidden states; they fit the model.
        device: Device of encoder and head.
        lower: Layers whose hidden states may be known from other jobs; None for none. There are no interventions then.
    """

    forward: Forward
    task: Task
    labels: Labels
    head: Head
    edits: tuple[LanguageEdit, ...]
    device: str
    lower: Lower | None = None

    def predict(self, prepared: PreparedSet, check: Callable[[], None] = lambda: None) -> list[Example]:
        """All examples of a set with the model's answers in place of the gold ones, in order.

        Args:
            prepared: The set, cut for this model, task and labels.
            check: Called between batches; raises to stop.
        """
        said: list[list[tuple[Piece, Answer]]] = [[] for _ in prepared.examples]
        interventions = LanguageInterventions(self.edits, self.device)
        pieces, batching = prepared.pieces, self.forward.batching
        budget = CPU_TOKENS if self.device == "cpu" else GPU_TOKENS
        answered: dict[int, Answer] = {}
        self.head.train(False)
        with torch.inference_mode():
            for members in by_length([len(piece.text) for piece in pieces], budget):
                check()
                for some in batching.portions([pieces[place] for place in members], budget):
                    batch = batching.collate(some, self.device)
                    hidden_TD = self.forward(batch, interventions.of(batch), lower=self.lower)
                    answers = self.head.answers(hidden_TD, batch)
                    answered.update((id(piece), answer) for piece, answer in zip(batch.pieces, answers, strict=True))
        for piece in pieces:
            said[piece.example].append((piece, answered[id(piece)]))
        return [
            self.task.decode(example, each, self.labels) for example, each in zip(prepared.examples, said, strict=True)
        ]

    def figures(
        self, prepared: PreparedSet, scorer: Scorer, check: Callable[[], None] = lambda: None, *, detail: bool = False
    ) -> SetFigures:
        """Figures of a set.

        Args:
            prepared: The set.
            scorer: Computes them.
            check: Called between batches; raises to stop.
            detail: Whether figures of single labels and confusions are wanted as well.

        Raises:
            FailedPrecondition: No example has a gold answer.
            ServiceError: The predictions cannot be scored.
        """
        return figures(self.task, prepared, self.predict(prepared, check), scorer, detail=detail)


def figures(
    task: Task, prepared: PreparedSet, predictions: Sequence[Example], scorer: Scorer, *, detail: bool = False
) -> SetFigures:
    """Figures of predictions.

    Args:
        task: The task.
        prepared: The set.
        predictions: One of each of its examples, in order.
        scorer: Computes them.
        detail: Whether figures of single labels and confusions are wanted as well.

    Raises:
        FailedPrecondition: No example has a gold answer.
        ServiceError: The predictions cannot be scored.
    """
    pairs = [pair for pair in zip(prepared.examples, predictions, strict=True) if task.scored(pair[0])]
    if not pairs:
        raise nothing_to_score(task, prepared.dataset, len(predictions))
    options = {**task.score_options(), **(task.detail_options() if detail else {})}
    scored = scorer(task.score, prepared.language, options, pairs)
    left_out = len(predictions) - len(pairs)
    own = (
        (f"{left_out} of {len(predictions)} examples have no whole gold answer and are not scored",) if left_out else ()
    )
    return SetFigures(prepared.language, prepared.dataset, scored.figures, prepared.warnings + own + scored.warnings)


def mean_main(task: Task, sets: Sequence[SetFigures]) -> float:
    """Mean of the task's main figure over sets, at least one."""
    return sum(each.find(task.main).value for each in sets) / len(sets)
