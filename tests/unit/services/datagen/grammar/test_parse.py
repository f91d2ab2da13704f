"""Every sentence parses back to the abstract tree it was written from, and to no other, in every language."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.datagen.grammar import corpus
from services.datagen.grammar.corpus import DOMAINS, LANGUAGES, language_of
from services.datagen.grammar.inference import LABELS, inference
from services.datagen.grammar.parse import parse
from services.datagen.grammar.questions import paragraph
from services.datagen.grammar.sampling import Sampler
from services.datagen.grammar.syntax import Statement
from services.datagen.randomness import generator

SLOW = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("tag", LANGUAGES)
@SLOW
@given(seed=st.integers(0, 2**32), domain=st.sampled_from(["everyday", "nature"]), depth=st.integers(1, 4))
def test_every_sentence_parses_back(tag: str, seed: int, domain: str, depth: int) -> None:
    statement = Sampler(generator(seed, "parse"), domain, depth).statement()
    sentence = language_of(tag).sentence(statement)
    assert parse(language_of(tag), [word.form for word in sentence.words]) == [statement], sentence.text


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("tag", LANGUAGES)
def test_premises_hypotheses_and_paragraphs_parse_back(tag: str, domain: str) -> None:
    language = language_of(tag)
    for number in range(60):
        sampler = Sampler(generator(number, "kinds"), domain, 2)
        statements = [*inference(sampler, LABELS[number % 3]), *map(Statement, paragraph(sampler).clauses)]
        for statement in statements:
            sentence = language.sentence(statement)
            assert parse(language, [word.form for word in sentence.words]) == [statement], sentence.text


@pytest.mark.parametrize("tag", LANGUAGES)
def test_what_is_not_of_the_grammar_has_no_reading(tag: str) -> None:
    language = language_of(tag)
    for number in range(30):
        statement = Sampler(generator(number, "parse"), "everyday", 2).statement()
        forms = [word.form for word in language.sentence(statement).words]
        assert parse(language, forms[:-1]) == []
        assert statement not in parse(language, [*reversed(forms[:-1]), forms[-1]])
    assert parse(language, ["unheard"]) == []
    assert parse(language, []) == []


def test_no_two_verbs_of_arabic_are_written_alike_in_the_past() -> None:
    """Doubled letters are written out before some endings: the stem of one verb was the whole of another."""
    lexica = Path(corpus.__file__).parent / "lexica"
    concepts = [line.split("\t") for line in (lexica / "concepts.tsv").read_text("utf-8").splitlines()]
    verbs = {row[1] for row in concepts if row[0] == "verb"}
    owners: dict[str, set[str]] = {}
    for line in (lexica / "ar.tsv").read_text("utf-8").splitlines():
        concept, *forms = line.split("\t")
        if concept in verbs:
            for form in forms[:2]:
                owners.setdefault(form, set()).add(concept)
    assert len(owners) > 100
    assert {form: who for form, who in owners.items() if len(who) > 1} == {}


def test_no_verb_of_chinese_is_written_as_an_adjective() -> None:
    """Both stand before the particle and a noun: ripe apples were apples that mature."""
    lexica = Path(corpus.__file__).parent / "lexica"
    concepts = [line.split("\t") for line in (lexica / "concepts.tsv").read_text("utf-8").splitlines()]
    kinds = {row[1]: row[0] for row in concepts if len(row) > 1}
    forms: dict[str, set[str]] = {"verb": set(), "adjective": set()}
    for line in (lexica / "zh.tsv").read_text("utf-8").splitlines():
        concept, *written = line.split("\t")
        if (kind := kinds.get(concept, "")) in forms:
            forms[kind].add(written[0])
    assert min(map(len, forms.values())) > 50
    assert forms["verb"] & forms["adjective"] == set()
