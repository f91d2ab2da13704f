import tracemalloc

import pytest
from hypothesis import given

from services.runtime.text.words import clusters, fold, is_unspaced, segment, units, with_case_of
from tests.support.datagen_corpora import texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", ["Hello", "world"]),
        ("don't aujourd'hui l'eau qu’il Anna's", ["don't", "aujourd'hui", "l", "eau", "qu", "il", "Anna", "s"]),
        ("e\u0301te\u0301 x_y 3.14", ["e\u0301te\u0301", "x", "y", "3", "14"]),
        ("हिन्दी में शब्द", ["हिन्दी", "में", "शब्द"]),
        ("العَرَبِيَّة لغة،", ["العَرَبِيَّة", "لغة"]),
        ("我吃2019年iPhone", ["我", "吃", "2019", "年", "iPhone"]),
        ("น้ำไทย", ["น้", "ำ", "ไ", "ท", "ย"]),
        ("カ\u3099キ", ["カ\u3099", "キ"]),
        ("Haus\u00adtür, a\u2060b", ["Haus\u00adtür", "a\u2060b"]),
        ("ᠪᠠᠢ\u180eᠨ\u180eᠠ", ["ᠪᠠᠢ\u180eᠨ\u180eᠠ"]),
        ("한국어를 배워요", ["한국어를", "배워요"]),
        ("👩\u200d👩\u200d👧 — …", []),
        ("", []),
    ],
)
def test_words_of_scripts(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in segment(text)] == words


def test_a_run_without_spaces_is_cut_as_one_says() -> None:
    assert [("我吃蘋果a")[s:e] for s, e in segment("我吃蘋果a", lambda run: [1, 1, len(run) - 2])] == [
        "我",
        "吃",
        "蘋果",
        "a",
    ]


@given(texts)
def test_words_and_units_are_in_order_and_leave_only_space(text: str) -> None:
    for apart in (False, True):
        at = 0
        for start, end in units(text, signs_apart=apart):
            assert at <= start < end
            assert not text[at:start].strip() or text[at:start].isspace()
            at = end
        assert not text[at:].strip()
    assert set(segment(text)) <= set(units(text))


@given(texts)
def test_pieces_between_spaces_have_the_words_of_the_whole(text: str) -> None:
    whole = [text[start:end] for start, end in segment(text)]
    assert whole == [piece[start:end] for piece in text.split(" ") for start, end in segment(piece)]


@given(texts)
def test_characters_with_their_marks_make_up_a_run(text: str) -> None:
    assert sum(clusters(text)) == len(text)


@pytest.mark.parametrize(
    ("model", "word", "language", "result"),
    [
        ("the", "Haus", "de", "Haus"),
        ("The", "der", "de", "Der"),
        ("NATO", "otan", "fr", "OTAN"),
        ("I", "yo", "es", "Yo"),
        ("Istanbul", "istanbul", "tr", "İstanbul"),
        ("iPhone", "telefon", "de", "telefon"),
        ("我", "i", "en", "i"),
        ("", "x", "", "x"),
    ],
)
def test_case_is_taken_over(model: str, word: str, language: str, result: str) -> None:
    assert with_case_of(model, word, language) == result


def test_folding_knows_the_turkish_i_and_composes() -> None:
    assert fold("ISI", "tr") == "ısı"
    assert fold("ISI", "en") == "isi"
    assert fold("e\u0301") == fold("É")


def test_scripts_without_spaces() -> None:
    assert [c for c in "a我あไภ한ا" if is_unspaced(c)] == ["我", "あ", "ไ", "ภ"]


@pytest.mark.parametrize("part", ["蘋果", "a", "e\u0301", "abc'", "น้", "ก"])
def test_the_first_words_of_a_long_run_take_no_memory_for_the_rest(part: str) -> None:
    """A step that the search might give back takes more than a hundred bytes, which would be for every character."""
    list(segment("a 蘋"))  # the pattern itself
    text = part * (200_000 // len(part))
    tracemalloc.start()
    assert next(segment(text))[0] == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(text)
