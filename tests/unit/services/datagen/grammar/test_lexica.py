"""The word lists: complete, without doubles, with the features each language asks for, and no two nouns alike."""

from collections import Counter, defaultdict

import pytest

from services.datagen.grammar import names
from services.datagen.grammar.concepts import ANY, CLAUSE, DOMAINS, LEXICA, NO_OBJECT, concepts, rows
from services.datagen.grammar.corpus import LANGUAGES, language_of
from services.datagen.grammar.inventory import determiners, inventory_of
from services.datagen.grammar.languages import hi, ru
from services.datagen.grammar.sampling import adjectives, doing, taking, verbs
from services.datagen.grammar.syntax import Common

CATEGORIES = {
    "noun": concepts().nouns,
    "verb": concepts().verbs,
    "adjective": concepts().adjectives,
    "manner": concepts().manners,
    "time": concepts().times,
    "organisation": concepts().organisations,
}
FIELDS = {
    "ar": {"noun": (3, 4), "verb": (3, 5), "adjective": (2, 3)},
    "en": {"noun": (2, 2), "verb": (3, 3), "adjective": (1, 1)},
    "es": {"noun": (3, 3), "verb": (1, 4), "adjective": (1, 2)},
    "hi": {"noun": (2, 2), "verb": (1, 2), "adjective": (1, 1)},
    "ja": {"noun": (2, 2), "verb": (3, 3), "adjective": (1, 1)},
    "ru": {"noun": (5, 6), "verb": (5, 5), "adjective": (2, 2)},
    "tr": {"noun": (1, 3), "verb": (2, 3), "adjective": (1, 1)},
    "zh": {"noun": (2, 2), "verb": (2, 2), "adjective": (1, 1)},
}
"""Least and most columns of a word, by language and category."""


def test_there_are_words_enough_and_in_both_domains() -> None:
    known = concepts()
    assert sum(map(len, CATEGORIES.values())) >= 1950
    for letter in DOMAINS.values():
        assert sum(letter in noun.domains for noun in known.nouns.values()) >= 600
        assert sum(letter in verb.domains for verb in known.verbs.values()) >= 100
    assert min(Counter(noun.kind for noun in known.nouns.values()).values()) >= 4


def test_hypernyms_and_classes_are_known() -> None:
    known = concepts()
    kinds = {noun.kind for noun in known.nouns.values()}
    for noun in known.nouns.values():
        assert set(noun.hypernyms) <= set(known.nouns), noun.id
        assert noun.id not in noun.hypernyms
        assert noun.domains in {"e", "n", "en"}
    for verb in known.verbs.values():
        assert set(verb.subjects) <= kinds, verb.id
        assert set(verb.objects) <= kinds | {ANY, NO_OBJECT, CLAUSE}, verb.id
        assert verb.domains in {"e", "n", "en"}
    for adjective, fitting in known.adjectives.items():
        assert set(fitting) <= kinds, adjective


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_word_can_be_drawn(domain: str) -> None:
    letter = DOMAINS[domain]
    for noun in concepts().nouns.values():
        if letter in noun.domains and noun.kind != "place":
            assert doing(domain, noun.kind) or taking(domain, noun.kind), noun.id
            assert adjectives(noun.kind), noun.id
    drawn = {verb.id for kind in ("transitive", "intransitive", "clause") for verb in verbs(domain, kind)}
    assert drawn == {verb.id for verb in concepts().verbs.values() if letter in verb.domains}


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_word_is_listed_once_with_its_features(tag: str) -> None:
    listed = Counter(row[0] for row in rows(LEXICA / f"{tag}.tsv"))
    assert max(listed.values()) == 1
    assert listed.keys() == {name for names_ in CATEGORIES.values() for name in names_}
    lexicon = language_of(tag).lexicon
    for category, names_ in CATEGORIES.items():
        least, most = FIELDS[tag].get(category, (1, 4))
        for name in names_:
            assert least <= len(lexicon[name]) <= most, (category, name)
            assert lexicon[name][0].strip(), name
            assert not any("_" in field or "  " in field or field != field.strip() for field in lexicon[name]), name


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_two_words_of_a_category_have_one_lemma(tag: str) -> None:
    lexicon = language_of(tag).lexicon
    for category, names_ in CATEGORIES.items():
        lemmas = Counter(" ".join(lexicon[name]) if category == "time" else lexicon[name][0] for name in names_)
        doubled = {lemma for lemma, count in lemmas.items() if count > 1}
        assert doubled == ({"कल/ADV"} if (tag, category) == ("hi", "time") else set())


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_two_nouns_are_ever_written_alike(tag: str) -> None:
    """In no case and number; nor is a noun's plural its singular, nor a name a noun."""
    language = language_of(tag)
    written: dict[tuple[str, ...], set[str]] = defaultdict(set)
    numbers: dict[tuple[str, ...], set[tuple[str, bool]]] = defaultdict(set)
    for noun, concept in concepts().nouns.items():
        for det, plural, count in determiners():
            for role in language.roles:
                if det == "count" and count not in {3, 5}:
                    continue
                if role == "place" and (plural or concept.kind != "place"):
                    continue
                forms = language.core_key(language.core(Common(noun, det, plural, count), role).forms)
                written[forms].add(noun)
                numbers[role, *forms].add((noun, plural))
    assert [alike for alike in written.values() if len(alike) > 1] == []
    assert [both for both in numbers.values() if len(both) > 1] == []
    words = {form for forms in written for form in forms}
    spelled = {language.spell(key) for kind in names.COUNTS for key in names.inventory(kind)}
    assert not {name.lower() if tag == "ru" else name for name in spelled} & words


@pytest.mark.parametrize("tag", LANGUAGES)
def test_no_adverb_is_written_like_an_adjective_or_a_noun(tag: str) -> None:
    """In Arabic, where an adjective may end a clause, آليا would be both."""
    tables = inventory_of(language_of(tag))
    assert not tables.manners.keys() & tables.adjectives.keys()
    assert not tables.manners.keys() & tables.cores.keys()


def test_no_japanese_adjective_is_a_relative_clause_or_longer_than_two_words() -> None:
    lexicon = language_of("ja").lexicon
    clauses = {form for verb in concepts().verbs for form in lexicon[verb]}
    for adjective in concepts().adjectives:
        assert lexicon[adjective][0] not in clauses
        assert lexicon[adjective][0].count("|") <= 1


def test_features_are_of_the_right_kind() -> None:
    nouns, verbs_ = concepts().nouns, concepts().verbs
    for noun in nouns:
        assert language_of("es").lexicon[noun][1] in {"m", "f", "fa"}, noun
        assert language_of("ar").lexicon[noun][1] in {"m", "f"}, noun
        assert (*language_of("ar").lexicon[noun], "")[3] in {"", "sg", "pl"}, noun
        assert language_of("ru").lexicon[noun][1] in {"m", "f", "n"}, noun
        assert (*language_of("tr").lexicon[noun], "", "")[2] in {"", "front", "bound"}, noun
        word, kind = language_of("hi").lexicon[noun]
        assert word.endswith(hi._CLASSES[kind][0]), noun
    for verb in verbs_:
        tables = language_of("ru").lexicon[verb]
        assert len(tables[1].split(" ")) == 4, verb
        assert tables[4] == "=" or len(tables[4].split(" ")) == 4, verb
        assert language_of("zh").lexicon[verb][1] in {"+", "-"}, verb
        irregular = [part for part in language_of("es").lexicon[verb][1:3] if part]
        assert all(len(part.split(" ")) == 4 for part in irregular), verb
        if verbs_[verb].takes_clause:
            assert language_of("ar").lexicon[verb][-1] in {"an", "in"}, verb
            assert language_of("tr").lexicon[verb][2] in {"acc", "dat"}, verb
    for adjective in concepts().adjectives:
        assert language_of("ru").lexicon[adjective][1] in ru._ENDINGS, adjective
