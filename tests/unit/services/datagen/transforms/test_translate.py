"""Whole examples through a translating system: what changes, what stays, what is counted, who is named in an error."""

from collections.abc import Iterable, Iterator

import pytest
from babelscope.data.examples import Answer, Example, Question, Sentence, TextPair, Word

from services.datagen.counts import StepReport
from services.datagen.transforms.translated import translate_examples
from services.datagen.translation.base import Translated
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, ServiceError, Unavailable
from tests.support.datagen_corpora import assert_offsets, transform
from tests.support.translating import Systems

GERMAN = [
    ("the", "der"), ("cat", "Kater"), ("dog", "Hund"), ("sat", "saß"), ("on", "auf"), ("in", "in"), ("who", "wer"),
    ("old", "alte"), ("garden", "Garten"), ("tower", "Turm"), ("where", "wo"), ("sleeps", "schläft"), ("was", "war"),
]  # fmt: skip
PLAIN = [(english, german.lower()) for english, german in GERMAN]
SYSTEMS = Systems({"words-de": GERMAN, "plain-de": PLAIN, "plain-en": [(german, english) for english, german in PLAIN]})
CONTEXT = "The old dog sleeps in the garden. The cat sat on the old tower."
QUESTION = Example(
    "q1",
    Question(CONTEXT, "Where sat the cat?", (Answer("the old tower", 49), Answer("old tower", 53)), 4),
    "en",
    attributes={"split": "train"},
)


def test_a_question_is_translated_and_its_answers_found_again() -> None:
    assert_offsets([QUESTION])
    done, report = transform("translate", [QUESTION], SYSTEMS, target="de", dictionary="words")
    assert done == [
        Example(
            "q1",
            Question(
                "Der alte Hund schläft in der Garten. Der Kater saß auf der alte Turm.",
                "Wo saß der Kater?",
                (Answer("der alte Turm", -1), Answer("alte Turm", -1)),
                4,
            ),
            "de",
            attributes={
                "split": "train", "origin": "q1", "translated_from": "en", "translated_by": "dictionary:words",
                "answer_positions": "0.777777778,0.841269841",
            },
        )
    ]  # fmt: skip
    assert report.counts == {"read": 1, "kept": 1, "translated": 1, "texts": 4, "words": 23, "unknown": 0}
    found, recovery = transform("recover_answers", done, SYSTEMS)
    assert_offsets(found)
    assert [answer.text for answer in found[0].content.answers] == ["der alte Turm", "alte Turm"]
    assert recovery.counts["exact"] == 2


def test_every_kind_of_example() -> None:
    sentence = Sentence((Word("The", head=2), Word("dog", head=3), Word("sleeps", head=0)), "The dog sleeps")
    examples = [
        Example("t", "the cat", "en"),
        Example("p", TextPair("the dog sleeps", " ", "neutral"), "en"),
        Example("s", sentence, "en"),
        Example("e", "", "en"),
        Example("u", Question("the dog", "who sleeps?"), "en"),
    ]
    done, report = transform("translate", examples, SYSTEMS, target="de", dictionary="words")
    assert [example.content for example in done] == [
        "der Kater",
        TextPair("der Hund schläft", " ", "neutral"),
        "Der Hund schläft",
        "",
        Question("der Hund", "wer schläft?"),
    ]
    assert report.counts["annotation_lost"] == 1
    assert any("trees" in warning for warning in report.warnings)


def test_languages_may_alternate_and_the_target_passes() -> None:
    examples = [
        Example(str(i), text, language)
        for i, (text, language) in enumerate([("cat", "en"), ("Hund", "de"), ("dog", "en"), ("tower", "en")])
    ]
    done, report = transform("translate", examples, SYSTEMS, target="de", dictionary="words")
    assert [(example.content, example.language) for example in done] == [
        ("Kater", "de"), ("Hund", "de"), ("Hund", "de"), ("Turm", "de"),
    ]  # fmt: skip
    assert done[1] is examples[1]
    assert (report.counts["same_language"], report.counts["translated"]) == (1, 3)


def test_words_that_are_not_known_are_counted() -> None:
    done, report = transform(
        "translate", [Example("t", "the xylophone", "en")], SYSTEMS, target="de", dictionary="words"
    )
    assert done[0].content == "der xylophone"
    assert (report.counts["words"], report.counts["unknown"]) == (2, 1)
    assert report.warnings == ["50.0% of the words are not in the dictionary and were kept as they are"]


def test_there_and_back_again() -> None:
    done, report = transform("back_translate", [QUESTION], SYSTEMS, pivot="de", dictionary="plain")
    question = done[0].content
    assert (question.context, question.question) == (CONTEXT, "Where sat the cat?")
    assert done[0].language == "en"
    assert done[0].attributes["pivot"] == "de"
    assert done[0].attributes["answer_positions"] == "0.777777778,0.841269841"
    assert report.counts["texts"] == 8
    found, _ = transform("recover_answers", done, SYSTEMS)
    assert found[0].content == QUESTION.content


class Dying:
    """A system that gives some translations and then breaks off."""

    name = "dying"

    def __init__(self, given: int, error: ServiceError | None) -> None:
        self._given, self._error = given, error

    def translate(self, texts: Iterable[str], source: str, target: str) -> Iterator[Translated]:
        for number, text in enumerate(list(texts)):
            if number == self._given:
                if self._error is not None:
                    raise self._error
                return
            yield Translated(text.upper())


@pytest.mark.parametrize(("given", "name"), [(0, "a"), (1, "b"), (2, "b"), (3, "d")])
def test_a_system_that_dies_names_the_example(given: int, name: str) -> None:
    examples = [
        Example("a", "one", "en"),
        Example("b", TextPair("two", "three"), "en"),
        Example("c", " ", "en"),
        Example("d", "four", "en"),
    ]
    for error, told in ((Unavailable("gone"), Unavailable), (None, FailedPrecondition)):
        stream = translate_examples(examples, Dying(given, error), "de", StepReport("translate"))
        done = []
        with pytest.raises(told, match=rf"examples\[{name}\]"):
            done.extend(stream)
        assert [example.id for example in done] == {"a": [], "b": ["a"], "d": ["a", "b", "c"]}[name]


def test_what_is_wrong_with_the_input_is_not_blamed_on_the_system() -> None:
    def broken() -> Iterator[Example]:
        yield Example("a", "cat", "en")
        raise InvalidArgument("examples[b]", "Expected more")

    stream = translate_examples(broken(), Dying(9, None), "de", StepReport("translate"))
    with pytest.raises(InvalidArgument, match=r"^examples\[b\]: Expected more$"):
        list(stream)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"target": "de"}, r"options\[dictionary\]: Expected `dictionary`"),
        ({"target": "de", "backend": "ctranslate"}, r"options\[model\]: Expected `model`"),
        ({"target": "de", "backend": "remote", "address": "evil:1"}, r"options\[address\].*\(none\), but got 'evil:1'"),
        ({"target": "de", "backend": "transformers", "model": "../x"}, r"without `\.\.`"),
    ],
)
def test_systems_that_cannot_be_had_are_refused_at_once(options: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        transform("translate", [], SYSTEMS, **options)


def test_an_address_of_another_machine_needs_tls() -> None:
    systems = Systems(settings={"translation_servers": "mt.example:443"})
    with pytest.raises(InvalidArgument, match="Expected TLS"):
        transform("translate", [], systems, target="de", backend="remote", address="mt.example:443")


def test_languages_without_a_dictionary_are_refused() -> None:
    with pytest.raises(NotFound, match="words"):
        transform("translate", [Example("t", "cat", "en")], SYSTEMS, target="fr", dictionary="words")


def test_an_example_without_language_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"examples\[t\].language"):
        transform("translate", [Example("t", "cat")], SYSTEMS, target="de", dictionary="words")
