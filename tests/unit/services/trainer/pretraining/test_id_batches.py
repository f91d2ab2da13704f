import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.pretraining.id_batches import IdDictionary, code_switch_ids, permutation_of_ids, permute_ids

ENTRIES = {2: [(10, 1.0)], 5: [(11, 3.0), (12, 1.0)], 7: [(2, 0.1), (5, 0.1), (9, 0.8)]}


def test_translations_are_drawn_by_weight() -> None:
    dictionary = IdDictionary.build(ENTRIES, 20)
    drawn = dictionary.draw(np.repeat([2, 5, 7], 20000), np.random.default_rng(0)).reshape(3, -1)
    assert set(drawn[0]) == {10}
    assert np.mean(drawn[1] == 11) == pytest.approx(0.75, abs=0.02)
    assert [np.mean(drawn[2] == one) for one in (2, 5, 9)] == pytest.approx([0.1, 0.1, 0.8], abs=0.02)


@given(st.integers(0, 2**32), st.floats(0, 1), st.floats(0, 1), st.integers(0, 60))
def test_the_cap_holds_and_the_count_is_right(seed: int, probability: float, cap: float, size: int) -> None:
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 20, (size, 3)).astype(np.int32)
    before = ids.copy()
    new, replaced = code_switch_ids(ids, IdDictionary.build(ENTRIES, 20), generator, probability=probability, cap=cap)
    assert (ids == before).all()
    assert new.dtype == ids.dtype
    assert (new != ids).sum() == replaced <= cap * ids.size
    for old, now in zip(ids[new != ids], new[new != ids], strict=True):
        assert now in [target for target, _ in ENTRIES[old]]


def test_the_rate_is_that_of_the_paper() -> None:
    ids = np.full((100, 1000), 5)
    new, _ = code_switch_ids(ids, IdDictionary.build(ENTRIES, 20), np.random.default_rng(1), cap=1)
    assert np.mean(new != ids) == pytest.approx(0.3, abs=0.01)
    assert code_switch_ids(ids, IdDictionary.build(ENTRIES, 20), np.random.default_rng(1))[1] == 15000


def test_the_best_translations_as_a_table() -> None:
    table = IdDictionary.build(ENTRIES, 20).best()
    assert permute_ids(np.array([[1, 2], [5, 7]], dtype=np.uint16), table).tolist() == [[1, 10], [11, 2]]


@pytest.mark.parametrize(("entries", "problem"), [({}, "empty"), ({99: [(1, 1.0)]}, "within 0..19"), ({1: [(1, 0.0)]}, "above 0")])  # fmt: skip  # noqa: E501
def test_bad_dictionaries_are_refused(entries: dict[int, list[tuple[int, float]]], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        IdDictionary.build(entries, 20)


@given(st.integers(2, 200), st.integers(0, 2**32), st.sets(st.integers(0, 20)))
def test_a_permutation_is_a_bijection_that_keeps_what_it_must(size: int, seed: int, keep: set[int]) -> None:
    kept = sorted(one for one in keep if one < size)
    table = permutation_of_ids(size, np.random.default_rng(seed), kept)
    assert sorted(table) == list(range(size))
    assert (table[kept] == kept).all()
    moving = np.setdiff1d(np.arange(size), kept)
    if len(moving) > 1:
        assert (table[moving] != moving).all()
    assert (permute_ids(permute_ids(np.arange(size), table), np.argsort(table)) == np.arange(size)).all()
