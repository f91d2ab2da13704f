"""Gold tags by their own scheme: told or found, and refused where they follow none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from babelscope.corpora import read_examples
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.scores.schemes import SCHEMES, break_of, read_tags
from services.metrics.scores.span_f1 import spans
from services.runtime.errors import InvalidArgument
from tests.support.scored import figures, tagged, taken, values
from tests.support.whole import spread


def f1(gold: str, said: str, **options: str) -> float:
    return float(values("span_f1", [(tagged(said), tagged(gold))], **options)["f1", "micro"])


def scheme_of(gold: list[str], **options: str) -> str:
    items = [(tagged(tags, str(i)), tagged(tags, str(i))) for i, tags in enumerate(gold)]
    return str(taken("span_f1", items, **options).table().settings["scheme"])


@pytest.mark.parametrize(
    ("gold", "said", "expected"),
    [
        ("I-PER I-LOC", "B-PER B-LOC", 100),
        ("I-PER I-LOC", "I-PER I-LOC", 100),
        ("I-PER B-PER I-PER O", "B-PER B-PER I-PER O", 100),
        ("I-PER B-PER I-PER O", "I-PER B-PER I-PER O", 100),
        ("I-PER I-PER O I-LOC", "B-PER I-PER O B-LOC", 100),
        ("I-PER I-PER O I-LOC", "B-PER B-PER O B-LOC", 40),
        ("B-PER E-PER O S-LOC", "B-PER I-PER O B-LOC", 100),
        ("B-PER E-PER O S-LOC", "B-PER E-PER O S-LOC", 100),
        ("B-PER I-PER E-PER S-LOC", "B-PER I-PER I-PER I-LOC", 0),
        ("B-PER L-PER O U-LOC", "B-PER L-PER O U-LOC", 100),
        ("B-PER L-PER O U-LOC", "B-PER I-PER O O", 200 / 3),
        ("B-PER B-LOC", "I-PER I-LOC", 0),  # the paper's repair: one span of the last type
    ],
)
def test_f1_by_the_scheme_of_gold(gold: str, said: str, expected: float) -> None:
    assert f1(gold, said) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gold", "scheme"),
    [
        (["I-A I-A O", "O B-B", "I-A B-A"], None),
        (["I-A I-A O", "I-A B-A I-A"], "iob1"),
        (["I-A I-B"], "iob1"),
        (["B-A I-A O", "O B-B B-B"], "iob2"),
        (["O S-A", "B-A I-A E-A"], "iobes"),
        (["B-A E-A S-A"], "iobes"),
        (["U-A", "B-A I-A L-A"], "bilou"),
        (["B-A I-B"], None),
        (["B-A E-B"], None),
        (["B-A I-A", "S-A"], None),
        (["S-A U-A"], None),
        (["B-A L-A E-A"], None),
    ],
)
def test_schemes_are_found_over_all_sentences(gold: list[str], scheme: str | None) -> None:
    if scheme is not None:
        assert scheme_of(gold) == scheme_of(gold, scheme=scheme) == scheme
        return
    with pytest.raises(InvalidArgument, match=r"gold sentences break it, and no fewer any other scheme"):
        scheme_of(gold)
    assert scheme_of(gold, repair="conll") == "none"


@pytest.mark.parametrize(
    ("gold", "options", "field", "problem"),
    [
        (
            ["B-A I-A", "O B-A I-B"], {}, "items[1].gold.sentence.words[2].ner",
            r"Expected gold tags in iob2, but word 3 \('w'\) of '1' has I-B between B-A and the end",
        ),
        (
            ["B-A"], {"scheme": "iob1"}, "items[0].gold.sentence.words[0].ner",
            r"in iob1, but word 1 \('w'\) of '0' has B-A between the start and the end",
        ),
        (["O I-A"], {"scheme": "iob2"}, "items[0].gold.sentence.words[1].ner", "in iob2, but word 2"),
        (["S-A O B-A"], {"scheme": "iobes"}, "items[0].gold.sentence.words[2].ner", "has B-A between O and the end"),
        (["B-A"], {"scheme": "bio"}, "spec.options[scheme]", "Expected a value of iob1, iob2, iobes, bilou, found"),
        (["PER"], {}, "items[0].gold.sentence.words[0].ner", "Expected B-TYPE, I-TYPE or O, but got 'PER'"),
    ],
)  # fmt: skip
def test_gold_of_no_scheme_names_sentence_and_word(
    gold: list[str], options: dict[str, str], field: str, problem: str
) -> None:
    items = [(tagged("O"), tagged(tags, str(i))) for i, tags in enumerate(gold)]
    with pytest.raises(InvalidArgument, match=problem) as refused:
        figures("span_f1", items, **options)
    assert refused.value.field == field


@pytest.mark.parametrize("options", [{}, {"scheme": "iob2"}])
def test_slips_of_annotation_in_long_gold_are_repaired_with_a_warning(options: dict[str, str]) -> None:
    gold = [*["B-A I-A O"] * 99, "O B-A I-B"]
    table = taken("span_f1", [(tagged(tags), tagged(tags, f"s{i}")) for i, tags in enumerate(gold)], **options).table()
    assert table.settings["scheme"] == "iob2"
    assert table.warnings == (
        "1 of 100 gold sentences break iob2 and are repaired as predictions are: "
        "the first word 3 ('w') of 's99' has I-B between B-A and the end",
    )
    assert table.rows[-1].tolist() == [1, 1, 1, 0, 3]
    with pytest.raises(InvalidArgument, match="1 of 99 gold sentences break it"):
        scheme_of(gold[1:], **options)


def test_shards_find_the_scheme_of_the_whole() -> None:
    first, second = (tagged(tags) for tags in ("I-A O", "I-A B-A"))
    whole = taken("span_f1", [(first, first)])
    whole.merge(taken("span_f1", [(second, second)]))
    assert whole.table().settings["scheme"] == "iob1"
    whole.merge(taken("span_f1", [(tagged("O"), tagged("B-A I-B"))]))
    with pytest.raises(InvalidArgument):
        whole.table()


@st.composite
def marked(draw: st.DrawFn) -> tuple[list[tuple[int, int, str]], int]:
    """Spans that do not overlap, and how many words there are."""
    at, found = 0, []
    for _ in range(draw(st.integers(1, 4))):
        start = at + draw(st.integers(0, 2))
        at = start + draw(st.integers(1, 3))
        found.append((start, at, draw(st.sampled_from("AB"))))
    return found, at + draw(st.integers(0, 2))


def write(scheme: str, found: list[tuple[int, int, str]], size: int) -> list[str]:
    """Tags of spans, by the definition of a scheme."""
    tags = ["O"] * size
    for start, end, kind in found:
        beside = start > 0 and tags[start - 1].endswith(f"-{kind}")
        opening, middle, closing, single = {
            "iob1": ("B" if beside else "I", "I", "I", "B" if beside else "I"),
            "iob2": ("B", "I", "I", "B"),
            "iobes": ("B", "I", "E", "S"),
            "bilou": ("B", "I", "L", "U"),
        }[scheme]
        for at in range(start, end):
            prefix = opening if at == start else closing if at == end - 1 else middle
            tags[at] = f"{single if end - start == 1 else prefix}-{kind}"
    return tags


@given(marked(), st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_spans_come_back_from_every_scheme(
    made: tuple[list[tuple[int, int, str]], int], scheme: str, other: str
) -> None:
    tags, same = write(scheme, *made), write(other, *made)
    assert break_of(scheme, read_tags(tags)) is None
    assert spans(tags, last_type=False) == made[0]
    found = figures("span_f1", [(tagged(same), tagged(tags))], scheme=scheme)
    if other != "iob1" or scheme == "iob1":  # without B- the paper's repair joins what stands side by side
        assert found["f1", "micro", "prediction", "gold"].value == 100


@pytest.mark.shared_data
def test_the_shared_gold_is_in_iob2_but_for_slips(shared_data: Callable[[str], Path]) -> None:
    expected = {
        "da_ddt-ud-test.iob2.gz": 1, "da_ddt-ud-train.iob2.gz": 6, "hr_set-ud-dev.iob2.gz": 1,
        "sr_set-ud-dev.iob2.gz": 2, "sr_set-ud-train.iob2.gz": 2,
    }  # fmt: skip
    slips = {}
    files = sorted(shared_data("ner").glob("*.iob2.gz"), key=lambda each: (each.name not in expected, each.name))
    for path in spread(files, 4):
        table = taken("span_f1", [(example, example) for example in read_examples(path)]).table()
        assert table.settings["scheme"] == "iob2"
        assert table.rows[:, 0].sum() == table.rows[:, 2].sum()
        if table.warnings:
            slips[path.name] = int(table.warnings[0].split()[0])
    assert slips == {
        name: number for name, number in expected.items() if name in {path.name for path in spread(files, 4)}
    }
