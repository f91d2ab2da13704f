"""Linear maps from one language to another: their course, the dictionaries they induce, and what they find unseen.

Hsu et al. 2019, table 7; Conneau, Wu et al. 2020, section 4: maps are fitted on some of the sentences, and measured by
retrieval among the others, which no map has seen.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.data.comparison import Comparison, Estimate
from babelscope.data.models import Intervention, LinearMap
from babelscope.data.texts import Text
from babelscope.errors import StudyError
from babelscope.study.design import Pairs, Study
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.texts import MINIMUM
from babelscope.study.values import get, layers, need, one_or_more, options, pairs

HOLDOUT: Final = 0.5
"""Share of the items kept from fitting where a study says none."""


@dataclass(frozen=True, slots=True)
class MapDesign:
    """What is asked.

    Attributes:
        method: Name of the method, as the metrics server knows it.
        label: Name that the report shows.
        pairs: Language pairs, the map from the first to the second.
        layers: Layers; those of the study where None.
        seeds: Seeds; a map for each.
        options: Options of the method.
        holdout: Share of the sentences kept from fitting, for retrieval.
        place: Study file and path of the method in it, for errors.
    """

    method: str
    label: str
    pairs: Pairs = "sources"
    layers: tuple[int, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    options: Mapping[str, str] = field(default_factory=dict)
    holdout: float = HOLDOUT
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Precision:
    """P@1 among sentences that no map has seen, with a map or, where `mapped` is false, without.

    Attributes:
        mapped: Whether the source side went through the map.
        estimator: `cosine` or `csls`.
        source: Query language.
        target: Candidate language.
        value: The share found first.
        low: Lower end of its 95 % interval.
        high: Upper end.
        null_mean: Chance level.
        n: Sentences.
        signature: All settings behind the numbers, in one line.
    """

    mapped: bool
    estimator: str
    source: str
    target: str
    value: float
    low: float
    high: float
    null_mean: float
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """One map.

    Attributes:
        method: Its method.
        label: Name that the report shows.
        source: Language mapped.
        target: Language mapped to.
        model: Name of the model used.
        layer: The layer.
        seed: Seed of all random draws.
        trace: The method's criterion after each step.
        fitted: Sentences of either side that it was fitted on.
        induced: Pairs in the dictionary that it induces.
        right: Number of induced pairs that are translations.
        precision: Retrieval among unseen sentences; none of the mapped where the map is not affine.
        signature: All settings behind the numbers, in one line.
        warnings: Warnings.
    """

    method: str
    label: str
    source: str
    target: str
    model: str
    layer: int
    seed: int
    trace: tuple[float, ...]
    fitted: int
    induced: int
    right: int
    precision: tuple[Precision, ...]
    signature: str
    warnings: tuple[str, ...] = ()


def read(node: Node, study: Study) -> tuple[MapDesign, ...]:
    """The section of a study file: one method, or a list of them."""
    del study
    designs = one_or_more(node, _read)
    labels = [design.label for design in designs]
    for label in labels:
        if labels.count(label) > 1:
            node.fail("a label of its own for each method", label)
    return designs


def _read(node: Node) -> MapDesign:
    keys = node.mapping("method", "label", "pairs", "layers", "seeds", "options", "holdout")
    method = need(node, keys, "method")
    return MapDesign(
        method=method.text(),
        label=get(keys, "label", Node.text, method.text()),
        pairs=get(keys, "pairs", pairs, "sources"),
        layers=get(keys, "layers", layers, None),
        seeds=get(keys, "seeds", lambda item: item.unique(lambda seed: seed.integer(0)), (0,)),
        options=get(keys, "options", options, {}),
        holdout=get(keys, "holdout", share, HOLDOUT),
        place=method.place,
    )


def share(node: Node) -> float:
    """A share above 0 and below 1."""
    value = node.fraction()
    if value == 1:
        node.fail("a number above 0 and below 1")
    return value


def plan(designs: tuple[MapDesign, ...], asked: Asked) -> list[Task]:
    """A task for every method, model, pair of languages and seed."""
    return [
        _task(design, use, pair, seed, asked)
        for design in designs
        for use in asked.models
        for pair in asked.study.language_pairs(design.pairs)
        for seed in design.seeds
    ]


def _task(design: MapDesign, use: ModelUse, pair: tuple[str, str], seed: int, asked: Asked) -> Task:
    chosen = design.layers or asked.study.layers
    asked.check_layers("maps.layers", chosen, use)
    corpus = asked.texts.corpus
    shared = {text.id for text in corpus.pair(*pair)[0]}
    held = {name for name in shared if is_held(name, design.holdout)}
    if min(len(held), len(shared - held)) < MINIMUM:
        raise StudyError(
            f"Expected `maps.holdout` to leave at least {MINIMUM} sentences on either side, but {design.holdout} of "
            f"the {len(shared)} that {pair[0]} and {pair[1]} share keeps {len(held)}"
        )
    parts: dict[bool, dict[str, list[Text]]] = {
        apart: {
            language: [text for text in corpus.texts[language] if text.id in shared and (text.id in held) == apart]
            for language in pair
        }
        for apart in (False, True)
    }

    def depends(found: Found) -> dict[str, Any]:
        del found
        return {
            **asked.encoded([use], pair), "pair": pair, "layers": chosen, "holdout": design.holdout, "seed": seed,
            "method": [design.method, design.label, dict(design.options)],
        }  # fmt: skip

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[Mapped]:
        del found
        common: dict[str, Any] = {
            "pooling": asked.study.pooling, "overflow": asked.study.overflow, "progress": show, **asked.study.computed,
        }  # fmt: skip
        source, target = (asked.view(use, language, texts=parts[False][language]) for language in pair)
        maps: dict[int, FittedMap] = mesh.metrics.fit_map(
            source, target, design.method, options=design.options, seed=seed, layers=chosen, **common
        )
        unseen = {language: asked.view(use, language, texts=parts[True][language]) for language in pair}
        plain: Comparison = mesh.metrics.retrieve(
            unseen, ("cosine", "csls"), [pair], ranks=(1,), layers=tuple(sorted(maps)), **common
        )
        records = []
        for layer, each in sorted(maps.items()):
            precision = [_precision(one, mapped=False) for one in _first(plain.estimates, layer)]
            if each.affine:
                moved = _moved(unseen, pair, each)
                answer: Comparison = mesh.metrics.retrieve(
                    moved, ("cosine", "csls"), [pair], ranks=(1,), layers=(layer,), **common
                )
                precision += [_precision(one, mapped=True) for one in _first(answer.estimates, layer)]
            records.append(
                Mapped(
                    method=design.method, label=design.label, source=pair[0], target=pair[1], model=use.used,
                    layer=layer, seed=seed, trace=tuple(map(float, each.trace)), fitted=len(parts[False][pair[0]]),
                    induced=len(each.dictionary), right=sum(one == two for one, two in each.dictionary),
                    precision=tuple(precision), signature=each.signature, warnings=tuple(each.warnings),
                )
            )  # fmt: skip
        return records

    drawn = f", seed {seed}" if len(design.seeds) > 1 else ""
    return Task(f"map {pair[0]} to {pair[1]} by {design.label}, {use.used}{drawn}", depends, ask)


def is_held(name: str, share: float) -> bool:
    """Whether a sentence is kept from fitting: by a digest of its id, the same in every language and study."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") < share * 2**64


def _moved(views: Mapping[str, View], pair: tuple[str, str], each: FittedMap) -> dict[str, View]:
    """Both sides in the common space."""
    names = dict(zip(pair, (each.source_map, each.target_map), strict=True))
    moved = {}
    for language, view in views.items():
        name = names[language]
        edit = (Intervention(each.layer, linear_map=LinearMap(name, bias=name)),) if name else ()
        moved[language] = View(
            texts=view.texts, model=view.model, language=language, interventions=(*(view.interventions or ()), *edit)
        )
    return moved


def _first(estimates: Iterable[Estimate], layer: int) -> list[Estimate]:
    found = [each for each in estimates if each.metric == "p@1" and each.left_layer == layer]
    return sorted(found, key=lambda each: (each.estimator, each.left, each.right))


def _precision(each: Estimate, *, mapped: bool) -> Precision:
    return Precision(
        mapped, each.estimator, each.left, each.right, each.value, each.low, each.high, each.null_mean, each.n,
        each.signature,
    )  # fmt: skip


def cells(mapped: Mapped) -> Iterable[Cells]:
    """Lines for the last criterion, the dictionary and the precision."""
    shared = {
        "kind": "map", "model": mapped.model, "source": mapped.source, "target": mapped.target, "layer": mapped.layer
    }  # fmt: skip
    name = f"{mapped.label} seed {mapped.seed}"
    for metric, value in (("criterion", mapped.trace[-1]), ("induced", mapped.induced), ("right", mapped.right)):
        yield {**shared, "metric": metric, "estimator": name, "value": value, "n": mapped.fitted,
               "signature": mapped.signature}  # fmt: skip
    for each in mapped.precision:
        yield {
            **shared, "source": each.source, "target": each.target, "metric": "p@1",
            "estimator": f"{name} {each.estimator} {'mapped' if each.mapped else 'as it is'}", "value": each.value,
            "low": each.low, "high": each.high, "n": each.n, "signature": each.signature,
        }  # fmt: skip


def wanted(designs: tuple[MapDesign, ...]) -> list[Wanted]:
    """The methods."""
    return [Wanted("map method", each.method, each.place, options=each.options) for each in designs]


SECTION = Section("maps", Mapped, read, plan, cells, wanted)
