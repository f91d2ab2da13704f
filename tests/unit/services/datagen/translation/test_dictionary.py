"""Word-by-word translation: case, punctuation, scripts without spaces, what is not known."""

import pytest

from services.datagen.datasets.dictionaries import Pair, WordPairs
from services.datagen.translation.base import Translated
from services.datagen.translation.dictionary import DictionaryTranslator
from services.runtime.errors import NotFound

ENTRIES = {
    ("en", "de"): [("the", "der"), ("dog", "Hund"), ("sleeps", "schläft"), ("New York", "Neuyork"), ("or", "oder")],
    ("en", "zh"): [("I", "我"), ("eat", "吃"), ("apples", "苹果")],
    ("zh", "en"): [("我", "I"), ("吃", "eat"), ("苹果", "apples"), ("果", "fruit")],
}


def _lookup(source: str, target: str) -> WordPairs:
    if (source, target) not in ENTRIES:
        raise NotFound("dictionary", f"{source}-{target}")
    return WordPairs((Pair(*pair) for pair in ENTRIES[source, target]), source=source)


TRANSLATOR = DictionaryTranslator(_lookup, "dictionary:test")


@pytest.mark.parametrize(
    ("source", "target", "text", "expected"),
    [
        ("en", "de", "The dog (THE DOG!) sleeps.", Translated("Der Hund (DER HUND!) schläft.", 5, 0)),
        ("en", "de", "  A dog\nin new York ", Translated("  A Hund\nin Neuyork ", 5, 2)),
        ("en", "zh", "I eat apples, I eat.", Translated("我吃苹果, 我吃.", 5, 0)),
        ("en", "zh", "I eat pears", Translated("我吃 pears", 3, 1)),
        ("zh", "en", "我吃苹果。", Translated("I eat apples。", 3, 0)),
        ("zh", "en", "我吃梨", Translated("I eat 梨", 3, 1)),
    ],
)
def test_words_are_replaced_and_the_rest_stays(source: str, target: str, text: str, expected: Translated) -> None:
    assert list(TRANSLATOR.translate([text], source, target)) == [expected]


def test_texts_come_one_by_one_in_order() -> None:
    read = []

    def texts() -> object:
        for i in range(3):
            read.append(i)
            yield f"dog {i}"

    found = TRANSLATOR.translate(texts(), "en", "de")  # type: ignore[arg-type]
    assert next(found).text == "Hund 0"
    assert read == [0]
    assert [one.text for one in found] == ["Hund 1", "Hund 2"]


def test_languages_without_a_dictionary_are_named() -> None:
    with pytest.raises(NotFound, match="de-fr"):
        list(TRANSLATOR.translate(["x"], "de", "fr"))
