"""Premises and hypotheses whose relation follows from how one was made from the other.

In a positive clause a modifier may be left out, and a noun with `a`, `several` or a numeral may be replaced by its
hypernym: what is left is entailed. The other way round it is open. Under negation it is all reversed. A clause and its
negation contradict each other where subject and object are definite, so that both speak of the same things.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from services.datagen.grammar.concepts import concepts
from services.datagen.grammar.sampling import Sampler, nouns
from services.datagen.grammar.syntax import Clause, Common, NounPhrase, Statement

LABELS = ("entailment", "neutral", "contradiction")
_UPWARD = frozenset({"a", "several", "count"})


def inference(sampler: Sampler, label: str) -> tuple[Statement, Statement]:
    """A premise and a hypothesis with a label."""
    make: Callable[[Sampler, Statement], list[Statement]] = {
        "entailment": _entailed,
        "neutral": _open,
        "contradiction": _contradicting,
    }[label]
    while True:
        premise = sampler.statement()
        hypotheses = [one for one in make(sampler, premise) if one != premise]
        if hypotheses:
            return premise, sampler.even(hypotheses)


def _entailed(sampler: Sampler, premise: Statement) -> list[Statement]:
    main = premise.main
    if premise.second is not None:
        parts = [] if premise.link == "when" else [Statement(premise.second)]
        return [*parts, Statement(main), *(Statement(weak) for weak in weaker(main) if not main.negative)]
    if main.negative:
        return [Statement(one) for one in stronger(sampler, main)]
    once = list(weaker(main))
    twice = [again for one in once for again in weaker(one)]
    return [Statement(one) for one in once + twice]


def _open(sampler: Sampler, premise: Statement) -> list[Statement]:
    main = premise.main
    if premise.second is not None:
        return [] if main.negative else [Statement(one) for one in stronger(sampler, main)]
    if main.negative:
        return [Statement(one) for one in weaker(main)]
    found = [Statement(one) for one in stronger(sampler, main)]
    if sampler.depth > 1:
        second = sampler.clause(1)
        found.append(Statement(main, "because", second))
    return found


def _contradicting(sampler: Sampler, premise: Statement) -> list[Statement]:
    found = []
    asserted = [premise.main]
    if premise.second is not None and premise.link != "when":
        asserted.append(premise.second)
    for clause in asserted:
        if clause.content is not None or not _is_definite(clause):
            continue
        flipped = replace(clause, negative=not clause.negative)
        found.append(Statement(flipped))
        if clause.negative:
            found += [Statement(one) for one in stronger(sampler, flipped)]
        else:
            found += [Statement(one) for one in weaker(flipped)]
    return [one for one in found if _is_definite(one.main)]


def _is_definite(clause: Clause) -> bool:
    phrases = [clause.subject] + ([clause.object] if clause.object is not None else [])
    return all(not isinstance(one, Common) or one.det in {"the", "this"} for one in phrases)


def weaker(clause: Clause) -> Iterator[Clause]:
    """A clause with one modifier less, or a noun replaced by its hypernym: entailed by it where it is positive."""
    if clause.content is not None:
        return
    if clause.manner:
        yield replace(clause, manner="")
    if clause.place is not None:
        yield replace(clause, place=None)
    if clause.time and clause.tense == "past":
        yield replace(clause, time="")
    yield from (replace(clause, subject=one) for one in _weaker_phrase(clause.subject))
    if clause.object is not None:
        yield from (replace(clause, object=one) for one in _weaker_phrase(clause.object))


def _weaker_phrase(phrase: NounPhrase) -> Iterator[NounPhrase]:
    if not isinstance(phrase, Common):
        return
    if phrase.adjective:
        yield replace(phrase, adjective="")
    if phrase.relative is not None:
        yield replace(phrase, relative=None)
    if phrase.det in _UPWARD and not phrase.adjective:
        yield from (replace(phrase, noun=one) for one in concepts().nouns[phrase.noun].hypernyms if _is_general(one))


def _is_general(noun: str) -> bool:
    return noun in concepts().nouns


def stronger(sampler: Sampler, clause: Clause) -> Iterator[Clause]:
    """A clause with one modifier more, or a noun replaced by a hyponym: left open by it where it is positive."""
    if clause.content is not None:
        return
    if not clause.manner:
        yield replace(clause, manner=sampler.manner())
    if clause.place is None:
        yield replace(clause, place=sampler.place(1))
    if not clause.time and clause.tense == "past":
        yield replace(clause, time=sampler.time("past", always=True))
    subject, thing = clause.subject, clause.object
    if isinstance(subject, Common) and subject.det in _UPWARD and not clause.negative:
        yield from (replace(clause, subject=one) for one in _stronger_phrase(sampler, subject))
    if isinstance(thing, Common) and thing.det in _UPWARD and not clause.negative:
        yield from (replace(clause, object=one) for one in _stronger_phrase(sampler, thing))


def _stronger_phrase(sampler: Sampler, phrase: Common) -> Iterator[Common]:
    if phrase.adjective:
        return
    described = sampler.described(phrase)
    if described != phrase:
        yield described
    kind = concepts().nouns[phrase.noun].kind
    hyponyms = tuple(noun for noun in nouns(sampler.domain, (kind,)) if phrase.noun in concepts().nouns[noun].hypernyms)
    if hyponyms:
        yield replace(phrase, noun=sampler.zipf(hyponyms))
