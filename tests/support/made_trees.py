"""A parser that makes up trees: projective ones, with a subject, a verb and objects, for any text in any script."""

import re
from collections.abc import Sequence

from babelscope.data.examples import Sentence, Word

from services.datagen.trees.parsing import Parsed
from services.datagen.trees.tree import Tree
from services.runtime.text.words import segment, units

_SENTENCE = re.compile(r"\S.*?(?:[.!?。।](?=\s|$)|(?=\s*$))", re.DOTALL)


class MadeTrees:
    """Takes the word in the middle of a sentence for its verb, those before it for the subject, others for objects."""

    def parse(self, text: str, language: str) -> Sequence[Parsed]:
        del language
        found = []
        for match in _SENTENCE.finditer(text):
            start, end = match.span()
            if spans := [(start + a, start + b) for a, b in units(text[start:end], signs_apart=True)]:
                sentence = _sentence(text, spans)
                found.append(Parsed(sentence, spans[0][0], spans[-1][1], tuple(spans)))
        return found


def _sentence(text: str, spans: Sequence[tuple[int, int]]) -> Sentence:
    verb = len(spans) // 2
    words = []
    for i, (start, end) in enumerate(spans):
        form = text[start:end]
        is_word = any(True for _ in segment(form))
        if i == verb:
            upos, head, relation = "VERB", 0, "root"
        elif i == len(spans) - 1 and not is_word:
            upos, head, relation = "PUNCT", verb + 1, "punct"
        elif i < verb:  # each word hangs on the next; the last of them is the subject
            upos, head, relation = "NOUN", i + 2, "nsubj" if i == verb - 1 else "nmod"
        else:  # each word hangs on the one before; the first of them is the object
            upos, head, relation = "NOUN", i, "obj" if i == verb + 1 else "nmod"
        space = i + 1 < len(spans) and spans[i + 1][0] > end
        words.append(Word(form, upos, head, relation, space_after=space))
    return Sentence(tuple(words), text[spans[0][0] : spans[-1][1]])


def is_contiguous(tree: Tree, position: int) -> bool:
    """Whether a word's subtree has no gap."""
    members = tree.subtree(position)
    return members[-1] - members[0] + 1 == len(members)


def is_projective(tree: Tree) -> bool:
    """Whether no subtree has a gap."""
    return all(is_contiguous(tree, position) for position in range(len(tree.words)))
