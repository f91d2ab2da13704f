"""What may be removed: by a table, and by a property against a search of its own."""

import pytest
from babelscope.store.places import StoredObject
from babelscope.store.pruning import judge
from hypothesis import given
from hypothesis import strategies as st

OLD, YOUNG, BEFORE = 0.0, 100.0, 50.0


def _object(kind: str, number: int, modified: float = OLD, suffix: str = "") -> StoredObject:
    return StoredObject(kind, f"{number:064x}", suffix, 1, modified)


DATA, MAP, LIST, FILE, SHARED = (
    _object("datasets", 1),
    _object("maps", 2, suffix=".safetensors"),
    _object("checkpoints", 3, suffix=".json"),
    _object("blobs", 4),
    _object("blobs", 5),
)
OTHER_LIST = _object("checkpoints", 6, suffix=".json")
CARD = _object("dataset-cards", 7)
ALL = [DATA, MAP, LIST, FILE, SHARED, OTHER_LIST, CARD]
NAMED = {LIST.key: {FILE.key, SHARED.key}, OTHER_LIST.key: {SHARED.key}, CARD.key: {DATA.key}}


def _removed(live: dict[str, str], **options: object) -> set[str]:
    return {verdict.object.key for verdict in judge(ALL, NAMED, live, before=BEFORE, **options) if verdict.remove}  # type: ignore[arg-type]


def test_what_nothing_names_goes_with_its_parts_and_its_card() -> None:
    assert _removed({}) == {each.key for each in ALL}
    assert _removed({DATA.key: "results"}) == {MAP.key, LIST.key, FILE.key, SHARED.key, OTHER_LIST.key}
    assert _removed({OTHER_LIST.key: "jobs/1"}) == {DATA.key, MAP.key, LIST.key, FILE.key, CARD.key}
    assert _removed({}, kinds=("blobs",)) == set(), "other kinds are kept, and what they name"
    assert _removed({}, kinds=("maps", "checkpoints")) == {MAP.key, LIST.key, OTHER_LIST.key}
    assert _removed({}, protected={"checkpoints": "kept"}) == {DATA.key, MAP.key, CARD.key}


def test_every_verdict_says_why() -> None:
    reasons = {verdict.object.key: verdict.reason for verdict in judge(ALL, NAMED, {LIST.key: "jobs/9"}, before=BEFORE)}
    assert reasons[LIST.key] == "named by jobs/9"
    assert reasons[FILE.key] == reasons[SHARED.key] == f"named by {LIST.key}"
    assert reasons[MAP.key] == "nothing names it"
    assert reasons[CARD.key] == "about nothing that is kept"


def test_what_is_young_is_kept_with_what_it_names() -> None:
    young = _object("checkpoints", 8, YOUNG, ".json")
    verdicts = judge([young, FILE, SHARED], {young.key: {FILE.key}}, {}, before=BEFORE)
    assert {verdict.object.key for verdict in verdicts if verdict.remove} == {SHARED.key}
    lone = _object("dataset-cards", 9, YOUNG)
    assert [verdict.remove for verdict in judge([lone], {lone.key: {DATA.key}}, {}, before=BEFORE)] == [False]


def test_lists_go_before_what_they_name() -> None:
    order = [verdict.object.key for verdict in judge(ALL, NAMED, {}, before=BEFORE)]
    assert order.index(LIST.key) < order.index(FILE.key)
    assert order.index(DATA.key) < order.index(CARD.key)


@given(
    st.lists(st.sampled_from([OLD, YOUNG]), min_size=8, max_size=8),
    st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16),
    st.sets(st.integers(0, 7), max_size=2),
)
def test_nothing_that_is_reached_from_what_is_kept_is_removed(
    ages: list[float], edges: set[tuple[int, int]], roots: set[int]
) -> None:
    objects = [_object("moments", number, age) for number, age in enumerate(ages)]
    named: dict[str, set[str]] = {}
    for one, other in edges:
        named.setdefault(objects[one].key, set()).add(objects[other].key)
    live = {objects[number].key: "a file" for number in roots}
    kept = {each.key for each in objects if each.key in live or each.modified > BEFORE}
    for _ in objects:
        kept |= {key for other in kept for key in named.get(other, ())}
    verdicts = judge(objects, named, live, before=BEFORE)
    assert {verdict.object.key for verdict in verdicts if not verdict.remove} == kept


@pytest.mark.parametrize("missing", [{"maps/" + "a" * 64}, {LIST.key}])
def test_names_of_nothing_do_no_harm(missing: set[str]) -> None:
    assert judge([LIST], {LIST.key: missing}, {}, before=BEFORE)[0].remove
