"""Coordinates of sentences or tokens on axes fitted to all languages together (Hsu et al. 2019, figure 1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from babelscope.calls.projection import Projection
from babelscope.calls.views import View
from babelscope.data.models import Model
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.texts import MINIMUM, digest
from babelscope.study.values import get, layers, one_or_more

Method = Literal["pca", "umap"]

Rows = Literal["sentences", "tokens"]

_SENTENCES: Final = {"sentences": 200, "tokens": 20}
# Coordinates are float32: seven digits are all they have.
_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class ProjectionDesign:
    """What is asked.

    Attributes:
        method: `pca` or `umap`.
        rows: `sentences`, pooled as in the study, or their `tokens`, special ones included.
        components: Coordinates of a row.
        layers: Layers; those of the study where None.
        languages: Languages; those of the study where None.
        sentences: Largest number of sentences of each language, the first by id; 0 for 200, or for 20 of tokens.
        seed: Seed of umap.
    """

    method: Method = "pca"
    rows: Rows = "sentences"
    components: int = 2
    layers: tuple[int, ...] | None = None
    languages: tuple[str, ...] | None = None
    sentences: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Cloud:
    """The rows of one language: ids, and coordinates by row and axis."""

    language: str
    ids: tuple[str, ...]
    coordinates: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Projected:
    """One layer of one model.

    Attributes:
        method: `pca` or `umap`.
        rows: `sentences` or `tokens`.
        model: Name of the model used.
        layer: The layer.
        explained: Share of the variance of all languages together, by axis; empty for umap.
        clouds: Coordinates by language, on the same axes.
        signature: All settings behind the numbers, in one line.
        warnings: Warnings.
    """

    method: str
    rows: str
    model: str
    layer: int
    explained: tuple[float, ...]
    clouds: tuple[Cloud, ...]
    signature: str
    warnings: tuple[str, ...] = ()


def read(node: Node, study: Study) -> tuple[ProjectionDesign, ...]:
    """The section of a study file: one projection, or a list of them."""
    return one_or_more(node, lambda item: _read(item, study))


def _read(node: Node, study: Study) -> ProjectionDesign:
    keys = node.mapping("method", "rows", "components", "layers", "languages", "sentences", "seed")
    return ProjectionDesign(
        method=get(keys, "method", lambda item: cast(Method, item.choice("pca", "umap")), "pca"),
        rows=get(keys, "rows", lambda item: cast(Rows, item.choice("sentences", "tokens")), "sentences"),
        components=get(keys, "components", lambda item: item.integer(2), 2),
        layers=get(keys, "layers", layers, None),
        languages=get(keys, "languages", lambda item: item.unique(lambda one: one.choice(*study.languages)), None),
        sentences=get(keys, "sentences", lambda item: item.integer(MINIMUM), 0),
        seed=get(keys, "seed", lambda item: item.integer(0), 0),
    )


def plan(designs: tuple[ProjectionDesign, ...], asked: Asked) -> list[Task]:
    """A request for every projection and model."""
    return [_task(design, use, asked) for design in designs for use in asked.models]


def _task(design: ProjectionDesign, use: ModelUse, asked: Asked) -> Task:
    chosen = design.layers or asked.study.layers
    asked.check_layers("projection.layers", chosen, use)
    languages = design.languages or asked.study.languages
    most = design.sentences or _SENTENCES[design.rows]
    texts = {language: asked.texts.corpus.texts[language][:most] for language in languages}

    def depends(found: Found) -> dict[str, Any]:
        del found
        return {
            **asked.encoded([use], ()),
            "data": {language: digest(listed) for language, listed in texts.items()},
            "project": [design.method, design.rows, design.components, design.seed], "layers": chosen,
        }  # fmt: skip

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Projected]:
        del found
        views = {
            language: asked.view(use, language, texts=listed)
            if design.rows == "sentences"
            else View(
                activations=mesh.encoder.encode(
                    listed, model=Model(use.used, use.revision), layers=chosen, pooling="token",
                    overflow=asked.study.overflow, interventions=asked.edits(use, language), progress=show,
                    **asked.study.computed,
                ),
                language=language,
            )
            for language, listed in texts.items()
        }  # fmt: skip
        answer: Projection = mesh.metrics.project(
            views,
            design.components,
            method=design.method,
            seed=design.seed,
            layers=chosen,
            pooling=asked.study.pooling,
            overflow=asked.study.overflow,
            progress=show,
            **asked.study.computed,
        )
        return [_projected(design, use, answer, layer, languages) for layer in sorted(answer.layers)]

    return Task(f"{design.method} of {design.rows} of {len(languages)} languages together, {use.used}", depends, ask)


def _projected(
    design: ProjectionDesign, use: ModelUse, answer: Projection, layer: int, languages: Sequence[str]
) -> Projected:
    clouds = tuple(
        Cloud(
            language,
            tuple(answer.ids[language]),
            tuple(
                tuple(float(f"{value:.{_DIGITS}g}") for value in row)
                for row in answer.coordinates[language, layer].tolist()
            ),
        )
        for language in languages
    )
    return Projected(
        method=design.method,
        rows=design.rows,
        model=use.used,
        layer=layer,
        explained=tuple(map(float, answer.explained_variance.get(layer, ()))),
        clouds=clouds,
        signature=answer.signatures[layer],
        warnings=tuple(answer.warnings.get(layer, ())),
    )


def cells(projected: Projected) -> Iterable[Cells]:
    """A line an axis with the variance that it explains; coordinates are in results.json."""
    for axis, share in enumerate(projected.explained, start=1):
        yield {
            "kind": "projection", "metric": "explained_variance", "estimator": f"{projected.method} axis {axis}",
            "model": projected.model, "layer": projected.layer, "value": share,
            "n": sum(len(cloud.ids) for cloud in projected.clouds), "signature": projected.signature,
        }  # fmt: skip


SECTION = Section("projection", Projected, read, plan, cells)
