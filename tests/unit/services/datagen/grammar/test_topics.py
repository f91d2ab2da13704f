"""Topics and preferences: the tables, what they do to what is written, and what is written without them."""

import hashlib
import math
from collections import Counter

import pytest

from services.datagen.grammar.concepts import DOMAINS, LEXICA, concepts, preferred, rows, topics
from services.datagen.grammar.corpus import LANGUAGES, generate
from services.datagen.grammar.entropies import entropies, of_language
from services.datagen.grammar.sampling import nouns

TOPICS = rows(LEXICA / "topics.tsv")
PREFERENCES = rows(LEXICA / "preferences.tsv")


def test_topics_are_made_of_known_concepts_each_named_once() -> None:
    known = {
        "noun": concepts().nouns,
        "verb": concepts().verbs,
        "adjective": concepts().adjectives,
        "manner": concepts().manners,
    }
    assert len({(name, category) for name, _, category, _ in TOPICS}) == len(TOPICS)
    for name, domains, category, words in TOPICS:
        listed = words.split()
        assert set(domains) <= set(DOMAINS.values()), name
        assert set(listed) <= set(known[category]), name
        assert len(set(listed)) == len(listed), name


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_topic_of_a_domain_has_persons_and_enough_else_to_speak_of(domain: str) -> None:
    assert len(topics(domain)) >= 15
    of_domain = set(nouns(domain, tuple({noun.kind for noun in concepts().nouns.values()})))
    for topic in topics(domain):
        assert set(topic.words) == {"noun", "verb", "adjective", "manner"}, topic.id
        assert len(of_domain & set(topic.words["noun"])) >= 15, topic.id


def test_most_concepts_are_of_some_topic() -> None:
    named = {word for _, _, category, words in TOPICS if category == "noun" for word in words.split()}
    assert len(named) > 0.9 * len(concepts().nouns)


def test_preferences_are_within_the_classes_that_the_word_takes() -> None:
    for category, word, side, listed in PREFERENCES:
        for noun in listed.split():
            kind = concepts().nouns[noun].kind
            if category == "adjective":
                taken = concepts().adjectives[word]
            else:
                verb = concepts().verbs[word]
                taken = verb.subjects if side == "subject" else verb.objects
            assert kind in taken or ("any" in taken and kind not in {"place", "sky", "abstract"}), (word, noun)
    assert preferred("wear", "object")[0] == "coat"
    assert preferred("wear", "subject") == ()


@pytest.mark.parametrize(
    ("kind", "domain", "digest"),
    [
        ("sentences", "everyday", "a9041d6be403efa0"),
        ("sentences", "nature", "e5f2af8b06f8bbb5"),
        ("ner", "everyday", "7cc6d0e0ea2a1746"),
        ("ner", "nature", "c3f9b6e960d6983e"),
        ("nli", "everyday", "997504994ab46ad8"),
        ("nli", "nature", "872d3f2bf1f148f3"),
        ("qa", "everyday", "e8d90cdc00302b70"),
        ("qa", "nature", "061906728e244129"),
    ],
)
def test_words_drawn_by_class_are_what_they_were_before_there_were_topics(kind: str, domain: str, digest: str) -> None:
    written = "".join(map(repr, generate((), 25, 11, kind, 3, domain, words="classes")))
    assert hashlib.sha256(written.encode()).hexdigest()[:16] == digest


def test_a_document_stays_with_its_topics_and_speaks_again_of_what_it_named() -> None:
    """Two sentences of a document have more nouns in common than two of different documents."""
    documents = [one.content for one in generate(["en"], 300, 3, "documents")]
    assert all(isinstance(text, str) and 3 < text.count(".") <= 8 for text in documents)
    names = [{word.strip(".,") for word in text.split() if word[:1].isupper()} for text in documents]
    again = [
        sum(text.count(name) > 1 for name in named) / max(1, len(named))
        for text, named in zip(documents, names, strict=True)
    ]
    assert sum(again) / len(again) > 0.3


def test_topics_and_languages_are_independent() -> None:
    """The trees, and so the topics, are the same in every language."""
    for one, other in zip(generate(["tr"], 30, 5), generate(["ja"], 30, 5), strict=True):
        assert one.attributes == other.attributes
        assert one.attributes["topics"]
        assert one.id == other.id


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_known_topic_tells_something_of_a_word(tag: str) -> None:
    found = of_language(tag, 800)
    assert found.bigram < found.unigram
    shuffled = entropies(
        (str(number % 23), [word.form.lower() for word in example.content.words])
        for number, example in enumerate(generate([tag], 800))
    )
    assert found.topic < shuffled.topic - 0.1


def test_entropies_of_a_text_worked_by_hand() -> None:
    """Four tokens, two types: ln 2 alone; known from the one before; half known from the topic."""
    found = entropies([("x", ["a", "b"]), ("y", ["a", "b"])])
    assert found.unigram == pytest.approx(math.log(2))
    assert found.bigram == 0
    assert found.topic == pytest.approx(math.log(2))
    assert (found.tokens, found.types) == (4, 2)
    assert entropies([("x", ["a"]), ("y", ["b"])]).topic == 0
    with pytest.raises(ValueError, match="at least one token"):
        entropies([])


def test_words_go_with_their_preferences() -> None:
    """Of all that is read, what is written for reading leads."""
    read = Counter(
        words[place + 2].lemma
        for example in generate(["en"], 4000, 1, depth=1)
        for words in [example.content.words]
        for place in range(len(words) - 2)
        if words[place].lemma == "read" and words[place + 2].upos == "NOUN"
    )
    assert read.total() > 10
    assert sum(read[noun] for noun in preferred("read", "object")) > 0.5 * read.total()
