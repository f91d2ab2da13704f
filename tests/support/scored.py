"""Short ways to write predictions with their gold."""

from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.metrics.scores import make
from services.metrics.scores.base import estimates


def text(said, key="1", **attributes):
    return Example(key, said, attributes=attributes)


def question(*answers, key="1"):
    return Example(key, Question("context", "question?", tuple(Answer(answer, 0) for answer in answers)))


def pair(label, key="1"):
    return Example(key, TextPair("premise", "hypothesis", label))


def tagged(tags, key="1", field="ner"):
    tags = tags.split() if isinstance(tags, str) else tags
    return Example(key, Sentence(tuple(Word("w", **{field: tag}) for tag in tags), ""))


def tree(*words, key="1"):
    """Words as (head, relation) or (head, relation, part of speech)."""
    return Example(key, Sentence(tuple(Word("w", (*word, "")[2], word[0], word[1]) for word in words), ""))


def taken(name, items, language="en", **options):
    score, _, _ = make(name, language, options)
    for index, (prediction, gold) in enumerate(items):
        score.add(prediction, gold, f"items[{index}]")
    return score


def figures(name, items, language="en", **options):
    table = taken(name, items, language, **options).table()
    return {(one.metric, one.estimator, one.left, one.right): one for one in estimates(name, table, resamples=200)}


def values(name, items, language="en", **options):
    """Values by (metric, estimator)."""
    return {key[:2]: one.value for key, one in figures(name, items, language, **options).items()}
