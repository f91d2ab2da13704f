"""Questions about a paragraph: every clause of it has its own subject and verb, so each question has one answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from babelscope.data.examples import Answer, Question, Word

from services.datagen.grammar.languages.base import Language
from services.datagen.grammar.linear import sentence_of
from services.datagen.grammar.sampling import Sampler
from services.datagen.grammar.syntax import Clause, Common, NounPhrase, Pronoun, Role

ASKED: tuple[Role, ...] = ("subject", "object", "place", "time")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Clauses, and a question about one of them.

    Attributes:
        clauses: What the paragraph says, a sentence each.
        about: Position of the clause that is asked about.
        asked: The request.
    """

    clauses: tuple[Clause, ...]
    about: int
    asked: Role


def paragraph(sampler: Sampler) -> Paragraph:
    """Draws three to five clauses and a question."""
    size = 3 + int(sampler.draws.random() * 3)
    clauses: list[Clause] = []
    while len(clauses) < size:
        clause = _clause(sampler)
        verbs_taken = {one.verb for one in clauses}
        subjects_taken = {_named(one.subject) for one in clauses}
        if clause.verb not in verbs_taken and _named(clause.subject) not in subjects_taken:
            clauses.append(clause)
    about = int(sampler.draws.random() * size)
    clause = clauses[about]
    allowed = [role for role in ASKED if getattr(clause, role)]
    return Paragraph(tuple(clauses), about, sampler.even(allowed))


def _named(phrase: NounPhrase) -> object:
    return phrase.noun if isinstance(phrase, Common) else phrase


def _clause(sampler: Sampler) -> Clause:
    """A positive clause without pronouns, with a time and a place more often than not."""
    while True:
        kind = "transitive" if sampler.chance(0.75) else "intransitive"
        clause = sampler.clause(1, kind=kind, negative=False, tenses=("past", "past", "past", "future"))
        if isinstance(clause.subject, Pronoun) or isinstance(clause.object, Pronoun):
            continue
        if clause.place is None and sampler.chance(0.5):
            clause = replace(clause, place=sampler.place(1))
        return clause if clause.time or sampler.chance(0.5) else replace(clause, time=sampler.time("past", always=True))


def written(language: Language, item: Paragraph, number: int) -> Question:
    """A paragraph, its question and its answer in a language.

    Args:
        language: The language.
        item: The paragraph to write.
        number: Position of the paragraph in its corpus.
    """
    pieces: list[str] = []
    answer = Answer("", 0)
    for place, clause in enumerate(item.clauses):
        before = sum(map(len, pieces))
        phrase = language.clause(clause, "main")
        wanted = [token for slot, tokens in phrase.parts if slot == item.asked for token in tokens]
        while len(wanted) > 1 and wanted[0].deprel == "case":
            wanted = wanted[1:]
        while len(wanted) > 1 and wanted[-1].deprel == "case":
            wanted = wanted[:-1]
        ended = language.ended(phrase, language.stop)
        sentence = sentence_of(ended, language.capital)
        if place == item.about:
            first, last = ended.tokens.index(wanted[0]), ended.tokens.index(wanted[-1])
            starts = _starts(sentence.words)
            start, end = starts[first], starts[last] + len(sentence.words[last].form)
            answer = Answer(sentence.text[start:end], before + start)
        pieces += [sentence.text, " " if language.spaced else ""]
    context = "".join(pieces).rstrip(" ")
    asked = language.ended(language.question(item.clauses[item.about], item.asked), language.question_mark)
    return Question(context, sentence_of(asked, language.capital).text, (answer,), number)


def _starts(words: Sequence[Word]) -> list[int]:
    starts, position = [], 0
    for word in words:
        starts.append(position)
        position += len(word.form) + word.space_after
    return starts
