"""Words of one piece by their rows of the embedding table: transformers' own table, found by its own tokenizer."""

import numpy as np
import pytest
from transformers import AutoTokenizer

from services.models.spec import Edit
from services.runtime.errors import InvalidArgument
from tests.support.encoder_pairs import Pair
from tests.support.lines import LINES

WORDS = list(dict.fromkeys(word for line in LINES for word in line.split()))


def test_rows_are_those_of_the_table(twin: Pair) -> None:
    tokenizer = AutoTokenizer.from_pretrained(twin.folder)
    table = twin.plain.get_input_embeddings().weight.detach().numpy()
    language = twin.places.language if twin.places else ""
    found, rows = twin.engine.table_rows(WORDS, (), language)
    assert 0 < len(found) < len(WORDS)
    for word, row in zip(found, rows, strict=True):
        pieces = tokenizer.encode(f"{word} {word}", add_special_tokens=False)
        np.testing.assert_array_equal(row, table[pieces[-1]])
    # What was left out is not one piece within a text, or not known.
    for word in set(WORDS) - set(found):
        pieces = tokenizer.tokenize(f" {word}")
        assert len(pieces) != 1 or tokenizer.convert_tokens_to_ids(pieces)[0] in tokenizer.all_special_ids


def test_edits_of_layer_0_move_rows(twin: Pair) -> None:
    language = twin.places.language if twin.places else ""
    _, plain = twin.engine.table_rows(WORDS, (), language)
    width = plain.shape[1]
    rng = np.random.default_rng(0)
    vector, matrix = (rng.standard_normal(shape).astype(np.float32) for shape in (width, (width, width)))
    _, moved = twin.engine.table_rows(WORDS, (Edit(0, vector, 0.5), Edit(0, matrix=matrix)), language)
    np.testing.assert_allclose(moved, (plain.astype(np.float64) + 0.5 * vector) @ matrix, atol=1e-4)
    with pytest.raises(InvalidArgument, match=r"layer within 0\.\.0"):
        twin.engine.table_rows(WORDS, (Edit(1, vector),), language)
    with pytest.raises(InvalidArgument, match=rf"shape \[{width}\]"):
        twin.engine.table_rows(WORDS, (Edit(0, np.zeros(width + 1, np.float32)),), language)
