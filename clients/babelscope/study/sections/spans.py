"""Similarity of the answers of parallel questions against transfer (Hsu et al. 2019, section A.1, figures 2 and 3).

An answer is the mean of the hidden states of its pieces, in its context. One point a pair of languages: how alike their
answers are, and EM or F1 of transfer from one to the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from babelscope.calls.views import View
from babelscope.corpora import read_units
from babelscope.data.comparison import Comparison, Estimate
from babelscope.data.models import Model
from babelscope.data.texts import Text
from babelscope.study.design import MeasureDesign, Study
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.result import ModelUse, Row
from babelscope.study.sections import transfer
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.transfer import Correlated, TransferDesign
from babelscope.study.sections.transfer_figures import read_figures
from babelscope.study.values import get, layers, measure, need, one_or_more

POOLING = "span"


@dataclass(frozen=True, slots=True)
class SpansDesign:
    """What is asked.

    Attributes:
        questions: File by language; parallel questions share their ids.
        measures: Measures of similarity; those of the study where None.
        transfer: Figures of transfer, and how the two are correlated.
    """

    questions: Mapping[str, Path]
    measures: tuple[MeasureDesign, ...] | None
    transfer: TransferDesign


def read(node: Node, study: Study) -> tuple[SpansDesign, ...]:
    """The section of a study file: one set of questions and figures, or a list of them."""
    return one_or_more(node, lambda item: _read(item, study))


def _read(node: Node, study: Study) -> SpansDesign:
    keys = node.mapping(
        "questions", "languages", "measures", "layers", "name", "table", "scores", "score", "cite", "methods",
        "permutations", "seed",
    )  # fmt: skip
    questions = need(node, keys, "questions")
    if "{language}" not in questions.text():
        questions.fail("`{language}` in the path of the questions")
    languages = get(keys, "languages", lambda item: item.unique(lambda one: one.choice(*study.languages)), None)
    return SpansDesign(
        questions={language: corpus_path(questions, language) for language in languages or study.languages},
        measures=get(keys, "measures", lambda item: item.unique(measure), None),
        transfer=TransferDesign(
            name=need(node, keys, "name").text(),
            figures=read_figures(node, keys, study),
            cite=get(keys, "cite", Node.text, ""),
            layers=get(keys, "layers", layers, None),
            methods=get(
                keys, "methods", lambda item: item.unique(lambda one: one.choice(*transfer.METHODS)),
                transfer.METHODS[1::-1],
            ),
            permutations=get(keys, "permutations", lambda item: item.integer(1), 10_000),
            seed=get(keys, "seed", lambda item: item.integer(0), 0),
        ),
    )  # fmt: skip


def plan(designs: tuple[SpansDesign, ...], asked: Asked) -> list[Task]:
    """A task for every set of questions and model."""
    return [_task(design, use, asked) for design in designs for use in asked.models]


def _task(design: SpansDesign, use: ModelUse, asked: Asked) -> Task:
    study = asked.study
    chosen = design.transfer.layers or study.layers
    asked.check_layers("spans.layers", chosen, use)
    measures = design.measures or study.measures
    pairs = tuple(pair for pair in study.language_pairs("all") if set(pair) <= set(design.questions))
    digests = {language: file_digest(path) for language, path in design.questions.items()}

    def depends(found: Found) -> dict[str, Any]:
        figures = design.transfer.figures.find(found, use, asked.uses, 0)
        return {
            **asked.encoded([use], ()), "questions": digests, "layers": chosen, "pairs": pairs,
            "measures": [each.depends for each in measures], "standardise": study.standardise,
            "drop": study.drop_top_variance, "figures": [asdict(each) for each in figures],
            "correlate": [
                design.transfer.name, design.transfer.cite, design.transfer.methods, design.transfer.permutations,
                design.transfer.seed,
            ],
        }  # fmt: skip

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Correlated]:
        answer: Comparison = mesh.metrics.compare(
            {language: _view(asked, use, language, path) for language, path in design.questions.items()},
            [each.measure for each in measures],
            pairs,
            layers=chosen,
            pooling=POOLING,
            overflow=study.overflow,
            alignment=study.alignment,
            standardise=study.standardise,
            drop_top_variance=study.drop_top_variance,
            progress=show,
            **study.computed,
        )
        # In an order that does not depend on what was finished first.
        names, places = [each.name for each in measures], {pair: at for at, pair in enumerate(pairs)}
        order = sorted(
            answer.estimates,
            key=lambda each: (
                names.index(each.metric), each.estimator, places[each.left, each.right], each.left_layer,
            ),
        )  # fmt: skip
        rows = tuple(_row(each, use) for each in order)
        return transfer.correlated(design.transfer, use, asked, replace(found, rows=rows), mesh)

    return Task(f"similarity of answers against {design.transfer.name}, {use.used}", depends, ask)


def _view(asked: Asked, use: ModelUse, language: str, path: Path) -> View:
    """The answers of one language."""
    texts: list[Text] = read_units(path, POOLING, language=language)
    edits = asked.edits(use, language)
    return View(texts=texts, model=Model(use.used, use.revision), interventions=edits, language=language)


def _row(each: Estimate, use: ModelUse) -> Row:
    return Row(
        kind="similarity", metric=each.metric, estimator=each.estimator, model=use.used, reinit="", pooling=POOLING,
        source=each.left, target=each.right, layer=each.left_layer, value=each.value, low=each.low, high=each.high,
        n=each.n, null_mean=each.null_mean, null_sd=each.null_sd, signature=each.signature,
    )  # fmt: skip


def cells(correlated: Correlated) -> Iterable[Cells]:
    """A line a coefficient, and one a point: the similarity of the answers of a pair of languages."""
    yield from ({**each, "kind": "spans"} for each in transfer.cells(correlated))
    for point in correlated.points:
        yield {
            "kind": "spans", "metric": correlated.metric, "estimator": correlated.estimator,
            "model": correlated.model, "pooling": POOLING, "source": point.source, "target": point.target,
            "layer": "mean" if correlated.layer is None else correlated.layer, "value": point.similarity,
        }  # fmt: skip


def wanted(designs: tuple[SpansDesign, ...]) -> list[Wanted]:
    """The measures of those that have their own."""
    return [each.wanted for design in designs for each in design.measures or ()]


SECTION = Section("spans", Correlated, read, plan, cells, wanted)
