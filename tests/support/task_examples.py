"""Small made-up sets of every task, and scores computed directly."""

from collections.abc import Mapping, Sequence

import numpy as np
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.trainer.evaluation.figures import Figure, Pair, Scored
from tests.support.lines import LINES

VOCABULARY = sorted({word.strip(".,") for line in LINES[:4] for word in line.split()})
TAGS = ("NOUN", "VERB", "ADJ", "DET", "ADP")
ENTITIES = ("O", "B-PER", "I-PER", "O", "B-LOC")
RELATIONS = ("nsubj", "obj", "amod", "obl:tmod")


def sentences(count: int, seed: int = 0, longest: int = 9) -> list[Example]:
    """Sentences whose tags follow from the word, and whose trees are drawn."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        size = int(rng.integers(2, longest + 1))
        kinds = rng.integers(len(VOCABULARY), size=size)
        root = int(rng.integers(size))
        words = []
        for place, kind in enumerate(kinds.tolist()):
            head = 0 if place == root else root + 1
            if head and place and place % 2 == 0:
                head = int(rng.integers(place)) + 1
            words.append(
                Word(
                    VOCABULARY[kind],
                    upos=TAGS[kind % len(TAGS)],
                    head=head,
                    deprel="root" if head == 0 else RELATIONS[kind % len(RELATIONS)],
                    ner=ENTITIES[kind % len(ENTITIES)],
                )
            )
        made.append(Example(f"s{number}", Sentence(tuple(words), " ".join(w.form for w in words)), "en"))
    return made


def pairs(count: int, seed: int = 0) -> list[Example]:
    """Pairs of texts with three labels."""
    rng = np.random.default_rng(seed)
    labels = ("entailment", "neutral", "contradiction")
    return [
        Example(
            f"p{number}",
            TextPair(
                " ".join(rng.choice(VOCABULARY, 5)), " ".join(rng.choice(VOCABULARY, 4)), labels[int(rng.integers(3))]
            ),
            "en",
        )
        for number in range(count)
    ]


def questions(count: int, seed: int = 0, words: int = 14) -> list[Example]:
    """Questions whose answer is one or two words of the context."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        chosen = [str(word) for word in rng.choice(VOCABULARY, words)]
        first = int(rng.integers(words - 1))
        text = " ".join(chosen[first : first + int(rng.integers(1, 3))])
        start = len("".join(word + " " for word in chosen[:first]))
        context = " ".join(chosen)
        asked = f"{rng.choice(VOCABULARY)} {rng.choice(VOCABULARY)} ?"
        made.append(Example(f"q{number}", Question(context, asked, (Answer(text, start),)), "en"))
    return made


SETS = {"pos": sentences, "ner": sentences, "parsing": sentences, "nli": pairs, "qa": questions}
"""Maker of a set by task."""


def direct_score(score: str, language: str, options: Mapping[str, str], pairs: Sequence[Pair]) -> Scored:
    """The main figure of a score, counted directly, with an interval of no width."""
    match score:
        case "tagging":
            metric = "accuracy"
            right = [
                word.upos == said.upos
                for gold, predicted in pairs
                for word, said in zip(gold.content.words, predicted.content.words, strict=True)
            ]
        case "span_f1":
            metric = "f1"
            found, gold_spans = [
                {(pair[0].id, *span) for pair in pairs for span in _spans([w.ner for w in pair[side].content.words])}
                for side in (1, 0)
            ]
            value = 200.0 * len(found & gold_spans) / (len(found) + len(gold_spans))
            return Scored((Figure(metric, "micro", value, value, value, len(pairs), score),))
        case "parsing":
            metric = "las"
            right = [
                (word.head, word.deprel.split(":")[0]) == (said.head, said.deprel.split(":")[0])
                for gold, predicted in pairs
                for word, said in zip(gold.content.words, predicted.content.words, strict=True)
            ]
        case "nli":
            metric = "accuracy"
            right = [gold.content.label == predicted.content.label for gold, predicted in pairs]
        case "qa":
            metric = "f1"
            right = [gold.content.answers == predicted.content.answers for gold, predicted in pairs]
        case _:
            raise ValueError(score)
    value = 100.0 * float(np.mean(right))
    return Scored((Figure(metric, "micro", value, value, value, len(pairs), score),))


def _spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Spans of BIO tags; a stray I- opens one."""
    spans: list[tuple[int, int, str]] = []
    for place, tag in enumerate(tags):
        if tag.startswith("I-") and spans and spans[-1][1:] == (place, tag[2:]):
            spans[-1] = (spans[-1][0], place + 1, tag[2:])
        elif tag[:2] in {"B-", "I-"}:
            spans.append((place, place + 1, tag[2:]))
    return spans
