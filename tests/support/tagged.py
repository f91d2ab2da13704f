"""Made sentences with tags that follow from their words."""

from typing import Final

import numpy as np
from babelscope import Example, Sentence, Word

WORDS: Final = {"cat": "NOUN", "dog": "NOUN", "sees": "VERB", "hears": "VERB", "red": "ADJ", "old": "ADJ", "the": "DET"}


def tagged_sentences(count: int, language: str, seed: int) -> list[Example]:
    """Sentences of three to seven words.

    Args:
        count: Number of sentences.
        language: Language tag of the examples.
        seed: Seed of the words.
    """
    rng = np.random.default_rng(seed)
    forms = list(WORDS)
    made = []
    for number in range(count):
        chosen = [forms[place] for place in rng.integers(0, len(forms), int(rng.integers(3, 8)))]
        words = tuple(Word(form, upos=WORDS[form]) for form in chosen)
        made.append(Example(f"{language}-{number}", Sentence(words, " ".join(chosen)), language))
    return made
