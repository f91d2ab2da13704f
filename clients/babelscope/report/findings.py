"""What a study found, in sentences made from its numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from babelscope.report.guide import is_distance
from babelscope.report.names import language_name, layer_name, metric_name
from babelscope.report.numbers import LayerMeasure, Numbers, Series, chance_by_layer, mean_by_layer
from babelscope.study.result import StudyResult, Variant

# The measures that speak for a study, best first.
_SIMILARITY: Final = ("cka/debiased", "cka/biased", "svcca/", "cosine/")
_RETRIEVAL: Final = ("p@1/csls", "p@1/cosine", "mrr/csls", "mrr/cosine")
# Fewer languages have no order worth a correlation.
_FEWEST_RANKED: Final = 6
_ALIKE: Final = 0.7


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Attributes:
        figure: The number that carries it, as a reader sees it: `0.62`, `-0.21`, `34 %`.
        caption: What that number is, in a few words.
        text: The whole of it, in sentences.
    """

    figure: str
    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What one RANDOM-INIT does, as means over language pairs (Muller et al. 2021, table 1, for similarity).

    Attributes:
        variant: The RANDOM-INIT.
        deltas: For each layer, the mean over pairs of the value under it less the value without.
        pairs: Pairs in the mean.
    """

    variant: Variant
    deltas: Mapping[int, float]
    pairs: int


def leading(measures: Sequence[LayerMeasure], kind: str) -> LayerMeasure | None:
    """The measure that speaks for a study: debiased CKA and P@1 by CSLS where there are; None where there is none."""
    order = _SIMILARITY if kind == "similarity" else _RETRIEVAL
    for wanted in order:
        for measure in measures:
            if measure.key.startswith(wanted) and not measure.centred:
                return measure
    return measures[0] if measures else None


def effects(result: StudyResult, numbers: Numbers, measure: LayerMeasure, model: str, source: str) -> list[Effect]:
    """The effect of every RANDOM-INIT of a model on one measure, from one source to all other languages."""
    found = []
    for variant in result.variants:
        if variant.model != model or not variant.reinit:
            continue
        changed = numbers.from_source(measure, model, variant.reinit, source)
        plain = numbers.from_source(measure, model, "", source)
        shared = [language for language in changed if language in plain]
        if shared:
            before = mean_by_layer(plain[language] for language in shared)
            after = mean_by_layer(changed[language] for language in shared)
            deltas = {layer: after[layer] - before[layer] for layer in after if layer in before}
            found.append(Effect(variant, deltas, len(shared)))
    return found


def find(result: StudyResult, numbers: Numbers, model: str) -> list[Finding]:
    """The findings for one model, the most general first; fewer where the study measured less."""
    source = str(result.study["sources"][0])
    similarity = leading(numbers.measures("similarity", model), "similarity")
    retrieval = leading(numbers.measures("retrieval", model), "retrieval")
    found: list[Finding] = []
    # What these sentences say of similarity would be wrong of a distance.
    if similarity and is_distance(similarity):
        similarity = None
    if similarity:
        listed = numbers.from_source(similarity, model, "", source)
        if listed:
            found += [_peak(similarity, listed, source), _closest(similarity, listed, source)]
        found += _random_init(effects(result, numbers, similarity, model, source), similarity, source)
    if retrieval and (listed := numbers.from_source(retrieval, model, "", source)):
        found.append(_retrieval(retrieval, listed, source))
        if similarity:
            found += _agreement(similarity, numbers.from_source(similarity, model, "", source), retrieval, listed)
    return found


def _peak(measure: LayerMeasure, listed: Mapping[str, Series], source: str) -> Finding:
    means = mean_by_layer(listed.values())
    chance = chance_by_layer(listed.values())
    top = max(means, key=lambda layer: (means[layer], -layer))
    first, last = min(means), max(means)
    name = metric_name(measure.metric)
    if top == first:
        course = f"is highest at {layer_name(first)} ({means[first]:.2f}) and {means[last]:.2f} at {layer_name(last)}"
    elif top == last:
        course = f"rises from {means[first]:.2f} at {layer_name(first)} to {means[last]:.2f} at {layer_name(last)}"
    else:
        course = (
            f"goes from {means[first]:.2f} at {layer_name(first)} to its peak, {means[top]:.2f} at {layer_name(top)}, "
            f"and is {means[last]:.2f} at {layer_name(last)}"
        )
    null, spread = chance[top]
    return Finding(
        f"{means[top]:.2f}",
        f"mean {name} at its peak, {layer_name(top)}",
        f"Mean {name} between {language_name(source)} and {_count(len(listed), 'other language')} {course}. "
        f"The chance level there, from shuffled sentences, is {_signed(null)} ± {spread:.3f}.",
    )


def _closest(measure: LayerMeasure, listed: Mapping[str, Series], source: str) -> Finding:
    means = mean_by_layer(listed.values())
    layer = max(means, key=lambda each: (means[each], -each))
    rows = {language: row for language, series in listed.items() if (row := series.at(layer)) is not None}
    near = max(rows, key=lambda language: rows[language].value)
    far = min(rows, key=lambda language: rows[language].value)
    best, worst = rows[near], rows[far]
    text = (
        f"At {layer_name(layer)}, {language_name(near)} is most similar to {language_name(source)} "
        f"({best.value:.2f}, 95 % interval {best.low:.2f} to {best.high:.2f})"
    )
    if far != near:
        verdict = _above_chance(worst.low, worst.null_mean, worst.null_sd)
        interval = f"{worst.value:.2f}, {worst.low:.2f} to {worst.high:.2f}"
        text += f" and {language_name(far)} least similar ({interval}), {verdict}"
    name = metric_name(measure.metric)
    return Finding(
        f"{worst.value:.2f} – {best.value:.2f}", f"{name} of the least and the most similar language", text + "."
    )


def _random_init(listed: Sequence[Effect], measure: LayerMeasure, source: str) -> list[Finding]:
    if not listed:
        return []
    last = max(listed[0].deltas)
    by_label: dict[str, list[float]] = {}
    for effect in listed:
        by_label.setdefault(effect.variant.label, []).append(effect.deltas[last])
    means = {label: sum(deltas) / len(deltas) for label, deltas in by_label.items()}
    order = sorted(means, key=lambda label: -abs(means[label]))
    pairs = next(effect.pairs for effect in listed if effect.variant.label == order[0])
    name = metric_name(measure.metric)
    seeds = len({effect.variant.seed for effect in listed})
    drawn = f" (means over {seeds} seeds)" if seeds > 1 else ""
    others = ", ".join(f"{_signed(means[label])} for layers {label}" for label in order[1:])
    return [
        Finding(
            _signed(means[order[0]]),
            f"mean {name} at {layer_name(last)} after re-initialising layers {order[0]}",
            f"Re-initialising layers {order[0]} changes {name} between {language_name(source)} and other languages at "
            f"{layer_name(last)} the most, by {_signed(means[order[0]])} on average over {_count(pairs, 'pair')}"
            + (f"; {others}{drawn}." if others else f"{drawn}."),
        )
    ]


def _retrieval(measure: LayerMeasure, listed: Mapping[str, Series], source: str) -> Finding:
    means = mean_by_layer(listed.values())
    top = max(means, key=lambda layer: (means[layer], -layer))
    rows = {language: row for language, series in listed.items() if (row := series.at(top)) is not None}
    best = max(rows, key=lambda language: rows[language].value)
    worst = min(rows, key=lambda language: rows[language].value)
    chance = sum(row.null_mean for row in rows.values()) / len(rows)
    range_text = (
        f" ({language_name(best)} {percent(rows[best].value)}, {language_name(worst)} {percent(rows[worst].value)})"
        if best != worst
        else ""
    )
    how = "CSLS" if measure.estimator == "csls" else measure.estimator
    what = metric_name(measure.metric)
    return Finding(
        percent(means[top]),
        f"mean {what} of translations at {layer_name(top)}",
        f"For a sentence in {language_name(source)}, the nearest neighbour at {layer_name(top)} is its translation in "
        f"{percent(means[top])} of cases on average over {_count(len(rows), 'language')}{range_text}; chance is "
        f"{percent(chance)} ({how})."
        if measure.metric == "p@1"
        else f"Mean {what} is {percent(means[top])} at {layer_name(top)}{range_text}; chance is {percent(chance)} "
        f"({how}).",
    )


def _agreement(
    similarity: LayerMeasure, alike: Mapping[str, Series], retrieval: LayerMeasure, found: Mapping[str, Series]
) -> list[Finding]:
    """Whether the languages that are most alike are those whose translations are found: two views of one thing.

    At the layer where most is found and at the layer where similarity is highest.
    """
    shared = [language for language in found if language in alike]
    if len(shared) < _FEWEST_RANKED:
        return []
    ones = {layer: [_at(alike[each], layer) for each in shared] for layer in mean_by_layer(alike.values())}
    twos = {layer: [_at(found[each], layer) for each in shared] for layer in mean_by_layer(found.values())}
    rhos = {layer: spearman(ones[layer], twos[layer]) for layer in ones if layer in twos}
    best, peak = (max(rhos, key=lambda layer: (sum(each[layer]), -layer)) for each in (twos, ones))
    one, two = metric_name(similarity.metric), metric_name(retrieval.metric)
    text = (
        f"At {layer_name(best)}, where retrieval is highest, {one} and {two} rank the {len(shared)} languages in "
        f"{_order(rhos[best])} (ρ = {_signed(rhos[best])})"
    )
    if peak != best:
        text += f"; at {layer_name(peak)}, where {one} is highest, in {_order(rhos[peak])} (ρ = {_signed(rhos[peak])})"
    text += "."
    if min(rhos[best], rhos[peak]) < _ALIKE:
        text += (
            " A similarity that retrieval does not confirm may rest on a few directions that all languages share, such "
            "as sentence length: compare with the study's options standardise and drop_top_variance."
        )
    return [Finding(f"ρ = {_signed(rhos[best])}", f"rank correlation of {one} and {two} over languages", text)]


def _at(series: Series, layer: int) -> float:
    row = series.at(layer)
    return row.value if row else math.nan


def _order(rho: float) -> str:
    return "much the same order" if rho >= _ALIKE else "different orders"


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one side is constant."""
    one, two = _ranks(x), _ranks(y)
    mean = (len(x) + 1) / 2
    covariance = sum((a - mean) * (b - mean) for a, b in zip(one, two, strict=True))
    spread = sum((a - mean) ** 2 for a in one) * sum((b - mean) ** 2 for b in two)
    return covariance / math.sqrt(spread) if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    return [sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values]


def percent(value: float) -> str:
    """A share as a reader sees it: `34 %`, `0.1 %`."""
    share = 100 * value
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else f"{share:.2f} %"


def _signed(value: float) -> str:
    text = f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"
    return text.replace("-", "−")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _above_chance(low: float, null_mean: float, null_sd: float) -> str:
    return "still above chance" if low > null_mean + 2 * null_sd else "not above chance"
