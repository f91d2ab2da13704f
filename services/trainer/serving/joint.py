"""Several requests for predictions of one model, answered together: their pieces share batches of tokens."""

from collections.abc import Sequence
from dataclasses import replace

from babelscope.data.examples import Example

from services.trainer.data.pieces import Counts
from services.trainer.evaluation.checkpoint import FineTunedModel
from services.trainer.evaluation.sets import PreparedSet


def predict_together(model: FineTunedModel, sets: Sequence[PreparedSet]) -> list[list[Example]]:
    """Examples of each set with the model's answers.

    Args:
        model: The model, with the interventions of all.
        sets: Sets that were cut for it, at least one.
    """
    examples: list[Example] = []
    pieces = []
    for each in sets:
        pieces += [replace(piece, example=piece.example + len(examples)) for piece in each.pieces]
        examples += each.examples
    said = model.predictor.predict(PreparedSet("", "joint", tuple(examples), tuple(pieces), Counts()))
    answers, begin = [], 0
    for each in sets:
        answers.append(said[begin : begin + len(each.examples)])
        begin += len(each.examples)
    return answers
