"""Scores of predictions against gold, from files that the study names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babelscope.calls.scoring import Scores
from babelscope.corpora import FORMATS, Options, read_examples
from babelscope.data.examples import Example
from babelscope.errors import StudyError
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.values import get, need, one_or_more, options


@dataclass(frozen=True, slots=True)
class ScoreDesign:
    """What is asked.

    Attributes:
        score: Name of the score, as the metrics server knows it.
        name: What was scored, for the report: a system, a task.
        predictions: File by language.
        gold: File by language.
        source: Language that the system was trained in; empty where not said.
        format: Format of both files; told from each file where None.
        options: Options of the score.
        place: Study file and path of the score in it, for errors.
    """

    score: str
    name: str
    predictions: Mapping[str, Path]
    gold: Mapping[str, Path]
    source: str = ""
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a score; in a cell of a confusion matrix `left` is the gold label and `right` the predicted one."""

    metric: str
    estimator: str
    value: float
    low: float
    high: float
    n: int
    left: str = ""
    right: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """All figures of one score in one language.

    Attributes:
        score: Name of the score.
        name: Name of what was scored.
        source: Language that the system was trained in; empty where not said.
        language: Language of the items.
        predictions: Name of the file.
        gold: Name of the file.
        figures: The figures.
        warnings: Warnings.
    """

    score: str
    name: str
    source: str
    language: str
    predictions: str
    gold: str
    figures: tuple[Figure, ...]
    warnings: tuple[str, ...] = ()


def read(node: Node, study: Study) -> tuple[ScoreDesign, ...]:
    """The section of a study file: one score, or a list of them."""
    designs = one_or_more(node, lambda item: _read(item, study))
    seen: set[tuple[str, str, str]] = set()
    for design in designs:
        for language in design.gold:
            if (design.name, design.source, language) in seen:
                node.fail("a name of its own for each score of a language", f"{design.name} of {language} twice")
            seen.add((design.name, design.source, language))
    return designs


def _read(node: Node, study: Study) -> ScoreDesign:
    keys = node.mapping("score", "name", "predictions", "gold", "languages", "source", "format", "options")
    score = need(node, keys, "score")
    predictions, gold = need(node, keys, "predictions"), need(node, keys, "gold")
    many = "{language}" in predictions.text()
    if many != ("{language}" in gold.text()):
        node.fail("`{language}` in both `predictions` and `gold`, or in neither", [predictions.value, gold.value])
    languages = get(keys, "languages", lambda item: item.unique(Node.text), study.languages if many else ())
    if not many and len(languages) != 1:
        node.fail("the key languages with the one language of the files", list(languages))
    return ScoreDesign(
        score=score.text(),
        name=get(keys, "name", Node.text, score.text()),
        predictions={language: corpus_path(predictions, language) for language in languages},
        gold={language: corpus_path(gold, language) for language in languages},
        source=get(keys, "source", Node.text, ""),
        format=get(keys, "format", lambda item: item.choice(*(each.name for each in FORMATS)), None),
        options=get(keys, "options", options, {}),
        place=score.place,
    )


def plan(designs: tuple[ScoreDesign, ...], asked: Asked) -> list[Task]:
    """A request for every score and language."""
    del asked
    return [_task(design, language) for design in designs for language in design.gold]


def _task(design: ScoreDesign, language: str) -> Task:
    predictions, gold = design.predictions[language], design.gold[language]
    digests = [file_digest(predictions), file_digest(gold)]

    def depends(found: Found) -> dict[str, Any]:
        del found
        return {
            "score": design.score, "name": design.name, "source": design.source, "language": language,
            "format": design.format, "options": dict(design.options), "files": digests,
        }  # fmt: skip

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Scored]:
        del found
        items = list(_paired(predictions, gold, language, design.format))
        answer: Scores = mesh.metrics.score(
            design.score, items, language=language, options=design.options, progress=show
        )
        figures = tuple(
            Figure(
                metric=each.metric, estimator=each.estimator, value=each.value, low=each.low, high=each.high,
                n=each.n, left=each.left, right=each.right, signature=each.signature,
            )
            for each in answer.estimates
        )  # fmt: skip
        warnings = tuple(dict.fromkeys(warning for each in answer.estimates for warning in each.warnings))
        return [
            Scored(
                design.score, design.name, design.source, language, predictions.name, gold.name, figures, warnings
            )
        ]  # fmt: skip

    return Task(f"{design.score} of {design.name}, {language}", depends, ask)


def _paired(predictions: Path, gold: Path, language: str, name: str | None) -> Iterator[tuple[Example, Example]]:
    """Predictions with their gold, by id."""
    options = Options(language=language)
    said = {example.id: example for example in read_examples(predictions, format=name, options=options)}
    for example in read_examples(gold, format=name, options=options):
        if example.id not in said:
            raise StudyError(f"{predictions}: Expected a prediction of {example.id!r} of {gold}, but got none")
        yield said.pop(example.id), example
    if said:
        raise StudyError(f"{gold}: Expected gold for all predictions, but {next(iter(said))!r} has none")


def cells(scored: Scored) -> Iterable[Cells]:
    """A line a figure; in a cell of a confusion matrix the labels stand behind the estimator."""
    for each in scored.figures:
        labels = f" {each.left} as {each.right}" if each.left or each.right else ""
        yield {
            "kind": "score", "metric": f"{scored.score}/{each.metric}",
            "estimator": f"{each.estimator}{labels}".strip(),
            "model": scored.name, "source": scored.source, "target": scored.language, "value": each.value,
            "low": each.low, "high": each.high, "n": each.n, "signature": each.signature,
        }  # fmt: skip


def wanted(designs: tuple[ScoreDesign, ...]) -> list[Wanted]:
    """The scores."""
    return [Wanted("score", each.score, each.place, options=each.options) for each in designs]


SECTION = Section("scores", Scored, read, plan, cells, wanted)
