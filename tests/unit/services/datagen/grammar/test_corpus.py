"""Corpora of the grammar: parallel, deterministic, Zipfian; labels that follow from how an item was made."""

import itertools
from collections import Counter, defaultdict

import pytest

from services.datagen.grammar.corpus import DOMAINS, KINDS, LANGUAGES, WORDS, generate
from services.datagen.grammar.inference import LABELS, inference
from services.datagen.grammar.questions import paragraph
from services.datagen.grammar.sampling import Sampler
from services.datagen.grammar.syntax import Clause, Common, NounPhrase, Relative, Statement
from services.datagen.randomness import generator
from services.runtime.errors import InvalidArgument


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"dictionary", "lexicon"}))
@pytest.mark.parametrize("words", WORDS)
def test_items_are_parallel_and_depend_on_nothing_but_the_request(kind: str, words: str) -> None:
    everything = list(generate((), 6, 3, kind, words=words))
    assert len(everything) == 6 * len(LANGUAGES)
    assert [one.language for one in everything[: len(LANGUAGES)]] == list(LANGUAGES)
    for _, group in itertools.groupby(everything, key=lambda one: one.id):
        assert len(list(group)) == len(LANGUAGES)
    some = list(generate(["tr", "en"], 20, 3, kind, words=words))
    assert [one.language for one in some[:2]] == ["tr", "en"]
    known = {(one.id, one.language): one for one in some}
    for one in everything:
        if one.language in {"tr", "en"}:
            assert known[one.id, one.language] == one
    assert list(generate(["en"], 6, 4, kind, words=words)) != [one for one in everything if one.language == "en"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"languages": ["en", "tlh"]}, "languages[1]"),
        ({"size": 0}, "size"),
        ({"kind": "poems"}, "kind"),
        ({"depth": 5}, "depth"),
        ({"depth": -1}, "depth"),
        ({"domain": "law"}, "domain"),
        ({"words": "dice"}, "words"),
    ],
)
def test_wrong_requests_are_refused_before_the_first_item(request_: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        generate(**request_)
    assert refused.value.field == field


def test_depth_bounds_the_nesting_of_clauses() -> None:
    def nesting(clause: Clause) -> int:
        parts = [nesting(clause.content)] if clause.content else []
        parts += [inside(one) for one in (clause.subject, clause.object, clause.place) if one is not None]
        return 1 + max(parts, default=0)

    def inside(phrase: NounPhrase) -> int:
        relative: Relative | None = phrase.relative if isinstance(phrase, Common) else None
        return 0 if relative is None else 1 + (inside(relative.other) if relative.other else 0)

    deepest = Counter()
    for depth in (1, 2, 3, 4):
        for number in range(300):
            statement = Sampler(generator(number, "depth"), "everyday", depth).statement()
            found = nesting(statement.main) + (statement.second is not None)
            assert found <= depth
            deepest[depth] = max(deepest[depth], found)
    assert deepest == {1: 1, 2: 2, 3: 3, 4: 4}


@pytest.mark.parametrize("domain", DOMAINS)
def test_answers_are_where_they_are_said_to_be(domain: str) -> None:
    asked = Counter()
    for example in generate((), 120, 5, "qa", domain=domain):
        question = example.content
        (answer,) = question.answers
        assert answer.text.strip()
        assert question.context[answer.start :][: len(answer.text)] == answer.text
        assert question.question.endswith(("?", "？", "؟"))
        asked[example.language] += 1
    assert set(asked.values()) == {120}


def test_only_one_clause_can_answer() -> None:
    roles = Counter()
    for number in range(300):
        item = paragraph(Sampler(generator(number, "qa"), "everyday", 2))
        assert len({clause.verb for clause in item.clauses}) == len(item.clauses)
        assert 3 <= len(item.clauses) <= 5
        roles[item.asked] += 1
    assert min(roles.values()) > 30
    assert set(roles) == {"subject", "object", "place", "time"}


def test_inferences_are_labelled_in_turn_and_differ() -> None:
    labels = [one.content.label for one in generate(["en"], 9, 0, "nli")]
    assert labels == list(LABELS) * 3
    for example in generate(["ru"], 60, 0, "nli"):
        assert example.content.premise != example.content.hypothesis


def test_what_is_entailed_says_less() -> None:
    """In a positive clause all that the hypothesis says, the premise says."""
    for number in range(400):
        premise, hypothesis = inference(Sampler(generator(number, "nli"), "everyday", 2), "entailment")
        said = [premise.main] + ([premise.second] if premise.second else [])
        found = [one for one in said if one.verb == hypothesis.main.verb and one.negative == hypothesis.main.negative]
        assert found
        if not hypothesis.main.negative:
            assert any(_says(one, hypothesis.main) for one in found)


def _says(premise: Clause, hypothesis: Clause) -> bool:
    optional = ("manner", "place", "time")
    return all(getattr(hypothesis, name) in ("", None, getattr(premise, name)) for name in optional)


def test_contradictions_flip_a_clause_with_definite_arguments() -> None:
    for number in range(300):
        premise, hypothesis = inference(Sampler(generator(number, "nli"), "nature", 2), "contradiction")
        said = [premise.main] + ([premise.second] if premise.second else [])
        assert any(one.verb == hypothesis.main.verb and one.negative != hypothesis.main.negative for one in said)
        for phrase in (hypothesis.main.subject, hypothesis.main.object):
            assert not isinstance(phrase, Common) or phrase.det in {"the", "this"}


def test_ner_sentences_have_entities() -> None:
    for example in generate((), 40, 2, "ner"):
        assert any(word.ner.startswith("B-") for word in example.content.words), example.content.text


def test_frequencies_fall_with_rank_and_domains_differ() -> None:
    words: dict[str, Counter[str]] = defaultdict(Counter)
    for domain in DOMAINS:
        for example in generate(["en"], 3000, 0, "sentences", 2, domain):
            words[domain].update(word.lemma for word in example.content.words if word.upos == "NOUN")
    for counts in words.values():
        ordered = [count for _, count in counts.most_common()]
        assert ordered[0] > 5 * ordered[len(ordered) // 4] > 0
        assert ordered[0] > 30 * ordered[-1]
    assert len(set(words["everyday"]) ^ set(words["nature"])) > 60


def test_statements_are_single_where_depth_is_one() -> None:
    for number in range(100):
        statement = Sampler(generator(number, "one"), "nature", 1).statement()
        assert statement == Statement(statement.main)
