"""The grammar's dictionary: forms of the same concept, in all languages and in both directions."""

import pytest

from services.datagen.grammar.corpus import generate
from services.runtime.errors import InvalidArgument


def pairs(source: str, target: str, size: int = 400, kind: str = "dictionary") -> dict[str, dict[str, float]]:
    """Weights of translations by word."""
    found: dict[str, dict[str, float]] = {}
    for one in generate([source, target], size, 1, kind):
        assert one.language == target
        found.setdefault(one.content.premise, {})[one.content.hypothesis] = float(one.attributes["weight"])
    return found


@pytest.mark.parametrize(
    ("source", "target", "word", "translations"),
    [
        ("en", "es", "teacher", {"maestro", "profesor", "maestros", "profesores"}),
        ("en", "zh", "doctors", {"医生"}),
        ("zh", "en", "房间", {"room", "rooms"}),
        ("en", "es", "yesterday", {"ayer"}),
        ("ja", "zh", "昨日", {"昨天"}),
    ],
)
def test_words_translate_to_forms_of_their_concept(source: str, target: str, word: str, translations: set[str]) -> None:
    found = pairs(source, target, 1200)[word]
    assert found
    assert set(found) <= translations


def test_names_are_in_the_dictionary_and_frequent_forms_come_first() -> None:
    found = pairs("en", "ru", 600)
    named = [word for word in found if word.endswith("ria") and word[0].isupper()]
    assert named
    assert any("рия" in form.lower() or "рии" in form.lower() for word in named for form in found[word])
    assert all(list(weights.values()) == sorted(weights.values(), reverse=True) for weights in found.values())


def test_a_dictionary_is_the_same_however_often_it_is_asked_for_and_whatever_else_is() -> None:
    alone = list(generate(["en", "hi"], 50, 4, "dictionary"))
    assert alone == [one for one in generate(["en", "ar", "hi"], 50, 4, "dictionary") if one.language == "hi"]


def test_a_dictionary_needs_two_languages() -> None:
    with pytest.raises(InvalidArgument, match="at least two for a dictionary, but got en"):
        generate(["en"], 50, 4, "dictionary")


@pytest.mark.parametrize(
    ("source", "target", "word", "translations"),
    [
        ("en", "es", "because", {"porque"}),
        ("en", "ru", "we", {"мы", "нас"}),
        ("zh", "en", "七", {"seven"}),
        ("ar", "hi", "في", {"में"}),
        ("tr", "ja", "birkaç", {"数"}),
        ("es", "ru", "no", {"не"}),
    ],
)
def test_a_lexicon_has_function_words_that_a_dictionary_has_not(
    source: str, target: str, word: str, translations: set[str]
) -> None:
    assert word not in pairs(source, target)
    assert set(pairs(source, target, kind="lexicon")[word]) == translations


def test_a_lexicon_is_a_dictionary_with_more_words() -> None:
    words, more = pairs("en", "tr"), pairs("en", "tr", kind="lexicon")
    assert words.items() <= more.items()
    assert len(words) < len(more)


def test_a_form_that_mostly_is_another_word_is_no_function_word() -> None:
    """Japanese `が` is a conjunction, and much more often the mark of a subject; what takes two words has none."""
    found = pairs("ja", "en", kind="lexicon")
    assert not {"が", "し", "の", "を"} & found.keys()
    assert "的" not in pairs("zh", "en", kind="lexicon")
