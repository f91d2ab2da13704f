"""Kept rows are named by all that determines them: the language where the model must be told it, and only there."""

import pytest
from babelscope.data.texts import Text
from babelscope.v1 import encoder_pb2, model_pb2

from services.metrics.api.intake import Corpus
from services.metrics.api.sources import Order
from services.metrics.rows.plans import ViewPlan


def _key(languages: tuple[str, ...], said: str, asked: str) -> str:
    spec = encoder_pb2.EncodeSpec(model=model_pb2.ModelRef(name="m"), language=asked)
    corpus = Corpus(
        "views[0]", ViewPlan("a", (), encoded=True), [Text("1", "a text", said), Text("2", "another", said)]
    )
    return Order(corpus, spec, (0, 1), model_pb2.Model(name="m", digest="d", languages=languages), corpus.digest()).key


@pytest.mark.parametrize(("said", "asked"), [("fr", ""), ("", "fr"), ("fr", "de")])
def test_languages_count_where_the_model_must_be_told_them(said: str, asked: str) -> None:
    names = ("en_XX", "fr_XX")
    assert _key(names, said, asked) != _key(names, "en", "")
    assert _key(names, said, asked) == _key(names, "fr", "")
    assert _key((), said, asked) == _key((), "en", "")
