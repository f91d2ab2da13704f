"""Words of a prediction beside those of the gold sentence."""

from itertools import zip_longest

from babelscope.data.examples import Example, Sentence, Word

from services.metrics.scores.base import content
from services.runtime.errors import InvalidArgument


def paired(prediction: Example, gold: Example, where: str) -> list[tuple[Word, Word | None]]:
    """Each gold word with the predicted one; None past the prediction's end.

    A model that cuts long sentences predicts nothing for the rest: that counts as errors, not as absent.

    Args:
        prediction: A sentence with the same words, or the first of them; empty text where nothing was predicted.
        gold: A sentence.
        where: Path of the item.

    Raises:
        InvalidArgument: The gold sentence has no words, or the predicted one other or more words.
    """
    right = content(gold, Sentence, f"{where}.gold").words
    if not right:
        raise InvalidArgument(f"{where}.gold.sentence.words", f"Expected words in {gold.id!r}, but got none")
    found = () if prediction.content == "" else content(prediction, Sentence, f"{where}.prediction").words
    if len(found) > len(right):
        raise InvalidArgument(
            f"{where}.prediction.sentence.words",
            f"Expected at most the {len(right)} words of the gold sentence {gold.id!r}, but got {len(found)}",
        )
    pairs: list[tuple[Word, Word | None]] = list(zip_longest(right, found))
    for index, (word, said) in enumerate(pairs):
        if said is not None and said.form and word.form and said.form != word.form:
            raise InvalidArgument(
                f"{where}.prediction.sentence.words[{index}].form",
                f"Expected the gold word {word.form[:40]!r} of {gold.id!r}, but got {said.form[:40]!r}",
            )
    return pairs
