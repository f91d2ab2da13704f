"""The model that comes with the package, by the services: what its layers know of translations on text it never saw."""

from collections.abc import Iterator
from itertools import combinations

import babelscope
import numpy as np
import pytest
from babelscope.local.mesh import LocalMesh
from babelscope.packaged import GRAMMAR_MODEL, packaged_models

from tests.support.grammar_texts import held_out

LANGUAGES = ("en", "zh", "tr")
MIDDLE = 4
"""The layer at which most translations are found."""
MOST_BYTES = 8_000_000
LEAST = 0.6


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh without any network."""
    with babelscope.local(
        ("encoder", "metrics", "datagen"), store=tmp_path_factory.mktemp("store"), env={"BABELSCOPE_HUB": "false"}
    ) as started:
        yield started


@pytest.fixture(scope="module")
def texts(mesh: LocalMesh) -> dict[str, list[babelscope.Text]]:
    """Parallel sentences of a seed that no training text has."""
    return held_out(mesh, LANGUAGES, 120)


def test_it_is_small_and_found_by_name(mesh: LocalMesh) -> None:
    folder = packaged_models()[GRAMMAR_MODEL]
    assert sum(file.stat().st_size for file in folder.iterdir()) <= MOST_BYTES
    listed = {model.name: model for model in mesh.encoder.list_models()}
    assert GRAMMAR_MODEL in listed
    info = mesh.encoder.get_model(GRAMMAR_MODEL)
    assert (info.layers, info.hidden_size, info.max_tokens) == (6, 128, 128)
    assert info.predicts_tokens


def test_translations_are_found_in_the_middle_and_not_by_random_weights(
    mesh: LocalMesh, texts: dict[str, list[babelscope.Text]]
) -> None:
    pairs = list(combinations(LANGUAGES, 2))

    def found(model: babelscope.Model | str, *, centre: bool) -> float:
        answer = mesh.metrics.retrieve(texts, ["cosine"], pairs, model=model, layers=[MIDDLE], centre=centre)
        both = [*pairs, *((other, one) for one, other in pairs)]
        return float(np.mean([answer.value("p@1", *pair, MIDDLE) for pair in both]))

    everything = babelscope.Reinit(layers=range(1, 7), embeddings=True, seed=1)
    random = babelscope.Model(GRAMMAR_MODEL, reinit=[everything])
    assert found(GRAMMAR_MODEL, centre=True) > max(LEAST, found(random, centre=True) + 0.3)
    # Random blocks pass on what the embeddings align; that languages come together is seen with their means left in.
    lower = babelscope.Model(GRAMMAR_MODEL, reinit=[babelscope.Reinit(layers=[1, 2], seed=1)])
    plain = found(GRAMMAR_MODEL, centre=False)
    assert plain > found(lower, centre=False)
    assert plain > found(random, centre=False) + 0.1


def test_its_head_predicts_what_stands_there(mesh: LocalMesh) -> None:
    """Where nothing is masked most pieces come back, in each language's own letters."""
    said = mesh.encoder.predict_tokens(
        ["the cook baked a cake in the kitchen .", "el cocinero comió una manzana ."], model=GRAMMAR_MODEL
    )
    for place, text in enumerate(said.texts):
        kept = ~text.special
        assert np.mean(text.token_ids[0, 0][..., 0][kept] == text.input_ids[kept]) > 0.5, place
