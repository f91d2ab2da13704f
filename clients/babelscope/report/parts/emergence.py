"""Models pretrained under several settings: a table as table 1 of Conneau, Wu et al. 2020, and curves by layer."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from babelscope.report.drawing import PALETTE, Drawing, facets, tick
from babelscope.report.emergence import SCORES, Outcome, Summary, clear, summaries, texts_of
from babelscope.report.findings import Finding, percent
from babelscope.report.guide import Guide, label
from babelscope.report.names import layer_name, metric_name
from babelscope.report.numbers import LayerMeasure
from babelscope.report.parts.base import Part
from babelscope.report.tables import Table
from babelscope.study.result import StudyResult
from babelscope.study.sections.emergence import SECTION, CellFound

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GUIDE: Final = Guide(
    "Settings of pretraining",
    "Every model is pretrained on the same amount of text without parallel pairs, with one thing changed against the "
    "default (Conneau, Wu et al. 2020, section 4). ± is the standard deviation over seeds, Δ the difference to the "
    "default at the same size of the corpus.",
    "Retrieval is that of the layer at which the setting finds most, on average over its seeds. A difference within "
    "twice its standard error says nothing; one seed has no standard error.",
)


def tables(records: Sequence[CellFound]) -> list[Table]:
    """A table of scores for every size of the corpus, and what was run of each setting."""
    found = summaries(records)
    listed = []
    for size in dict.fromkeys(each.size for each in records):
        here = [each for each in found if each.size == size]
        if not here:
            continue
        columns = [name for name in SCORES if any(name in each.outcomes for each in here)]
        head = ["Setting", "Seeds", *(part for name in columns for part in (name, "Δ"))]
        default = next((each for each in here if each.setting == records[0].setting), None)
        body = [
            [each.setting, str(each.seeds), *(part for name in columns for part in _cell(each, default, name))]
            for each in here
        ]
        listed.append(Table(f"Scores by setting, {texts_of(size)}", head, body))
    return [*listed, _run(records)]


def _cell(each: Summary, default: Summary | None, name: str) -> tuple[str, str]:
    """A score and its difference to the default."""
    outcome = each.outcomes.get(name)
    if outcome is None:
        return "", ""
    base = default.outcomes.get(name) if default is not None and default is not each else None
    place = "" if outcome.layer is None else f" ({tick(outcome.layer)})"
    spread = "" if outcome.deviation is None else f" ± {_number(outcome.deviation, name)}"
    delta = "" if base is None else _signed(outcome.mean - base.mean, name)
    return f"{_number(outcome.mean, name)}{spread}{place}", delta


def _number(value: float, name: str) -> str:
    """Shares as percent, the rest as it is."""
    return (f"{100 * value:.1f}" if SCORES[name].share else f"{value:.{SCORES[name].digits}f}").replace("-", "−")


def _signed(value: float, name: str) -> str:
    shown = f"{100 * value:+.1f}" if SCORES[name].share else f"{value:+.{SCORES[name].digits}f}"
    return shown.replace("-", "−")


def _run(records: Sequence[CellFound]) -> Table:
    """Which cells were run, and which were not."""
    body = []
    for setting, size in dict.fromkeys((each.setting, each.size) for each in records):
        of = [each for each in records if (each.setting, each.size) == (setting, size)]
        run, left = ([str(each.seed) for each in of if each.run is wanted] for wanted in (True, False))
        body.append([setting, f"{size:,}", ", ".join(run) or "none", ", ".join(left) or "none"])
    return Table("Cells of the grid", ["Setting", "Texts a language", "Seeds run", "Seeds not run"], body)


def payload(records: Sequence[CellFound], result: StudyResult) -> list[dict[str, Any]]:
    """An entry a size of the corpus and measure: a line a setting, the mean over its seeds by layer."""
    del result
    entries = []
    found = summaries(records)
    for size in dict.fromkeys(each.size for each in found):
        here = [each for each in found if each.size == size]
        for measure in dict.fromkeys(measure for each in here for measure in each.curves):
            lines = [
                {
                    "name": each.setting, "x": list(curve.layers), "v": list(curve.means),
                    "sd": list(curve.deviations), "nm": list(curve.chance), "seeds": each.seeds,
                }
                for each in here
                if (curve := each.curves.get(measure))
            ]  # fmt: skip
            kind, metric, estimator = measure
            entries.append(
                {
                    "size": texts_of(size),
                    "measure": f"{_KINDS[kind]}: {_label(metric, estimator)}",
                    "share": kind != "similarity",
                    "lines": lines,
                }
            )
    return entries


_KINDS: Final = {"similarity": "similarity", "retrieval": "sentences", "words": "words"}


def _label(metric: str, estimator: str) -> str:
    plain = estimator.removesuffix("+centred")
    return label(LayerMeasure("retrieval", metric, plain, plain != estimator))


def drawings(records: Sequence[CellFound], result: StudyResult) -> list[Drawing]:
    """Similarity by layer: a small figure a size of the corpus, a line a setting."""
    del result
    found = summaries(records)
    measures = dict.fromkeys(key for each in found for key in each.curves if key[0] == "similarity")
    sizes = list(dict.fromkeys(each.size for each in found))
    return [
        Drawing(
            f"emergence.{metric}-{estimator}",
            f"{metric_name(metric, estimator)} by setting of pretraining, mean over seeds and pairs",
            partial(_lines, found=found, sizes=sizes, measure=(kind, metric, estimator)),
            facets(len(sizes))[2],
        )
        for kind, metric, estimator in measures
    ]


def _lines(figure: "Figure", found: Sequence[Summary], sizes: Sequence[int], measure: tuple[str, str, str]) -> None:
    rows, columns, _ = facets(len(sizes))
    names = list(dict.fromkeys(each.setting for each in found))
    for at, size in enumerate(sizes):
        axes = figure.add_subplot(rows, columns, at + 1)
        for each in found:
            curve = each.curves.get(measure)
            if each.size == size and curve is not None:
                place = names.index(each.setting)
                colour, dash = PALETTE[place % len(PALETTE)], ("-", "--", ":")[place // len(PALETTE) % 3]
                axes.plot(curve.layers, curve.means, dash, color=colour, lw=1.6, label=each.setting)
        axes.set_title(texts_of(size), fontsize=8, loc="left")
        axes.set_xlabel("layer")
        if at == 0:
            axes.legend(fontsize=6, frameon=False)


def guides(records: Sequence[CellFound]) -> list[tuple[Guide, str]]:
    """How to read the table, with the chance level of retrieval."""
    chance = [
        figure.null_mean
        for each in records
        for figure in each.figures
        if figure.kind == "retrieval" and figure.null_mean is not None
    ]
    return [(_GUIDE, f"Chance level of sentence P@1: {percent(max(chance))}." if chance else "")]


def findings(records: Sequence[CellFound], result: StudyResult) -> list[Finding]:
    """For each setting what it changes, at the largest corpus at which both it and the default were run."""
    del result
    found = summaries(records)
    bases = {each.size: each for each in found if each.setting == records[0].setting}
    said = []
    if bases:
        said += [*_structure(bases[max(bases)], found), *_sizes(bases)]
    for setting in dict.fromkeys(each.setting for each in found if each.setting != records[0].setting):
        here = [each for each in found if each.setting == setting and each.size in bases]
        if here:
            largest = max(here, key=lambda each: each.size)
            said += _change(largest, bases[largest.size])
    left = [each for each in records if not each.run]
    if left:
        names = ", ".join(dict.fromkeys(f"{each.setting} at {each.size:,}" for each in left))
        said.append(
            Finding(
                f"{len(records) - len(left)} of {len(records)}",
                "cells of the grid of pretraining were run",
                f"{len(left)} cells were left out, of these settings and sizes: {names}. Nothing here is about them.",
            )
        )
    return said


_LEADING: Final = "Sentences, P@1"


def _structure(base: Summary, found: Sequence[Summary]) -> list[Finding]:
    """Whether the default finds more translations than an untrained model, or than chance where there is none."""
    outcome = base.outcomes.get(_LEADING)
    if outcome is None or outcome.chance is None or outcome.low is None:
        return []
    drawn = [each.outcomes.get(_LEADING) for each in found if each.untrained and each.size == base.size]
    text = (
        f"With the setting {base.setting} and {texts_of(base.size)}, {percent(outcome.mean)} of sentences have their "
        f"translation as nearest neighbour at {layer_name(outcome.layer)}, where chance is {percent(outcome.chance)}"
    )
    if drawn and drawn[0] is not None:
        above, known = outcome.low > drawn[0].mean, clear(outcome, drawn[0])
        text += f" and an untrained model, which has identical strings alone, finds {percent(drawn[0].mean)}"
        above = above and known is not False
    else:
        above = outcome.low > outcome.chance
    verdict = "appears" if above else "does not appear"
    return [
        Finding(
            percent(outcome.mean),
            f"of translations found without any parallel sentence, {base.setting}",
            f"{text}: cross-lingual structure {verdict} here ({_seeds(base)}).",
        )
    ]


def _sizes(bases: dict[int, Summary]) -> list[Finding]:
    """What more text of the default does."""
    small, large = bases[min(bases)], bases[max(bases)]
    if small is large:
        return []
    parts = [
        f"{name} from {_number(small.outcomes[name].mean, name)} to {_number(large.outcomes[name].mean, name)}, "
        f"{_verdict(large.outcomes[name], small.outcomes[name])}"
        for name in SCORES
        if name in small.outcomes and name in large.outcomes
    ]
    if not parts:
        return []
    name = _LEADING if _LEADING in small.outcomes and _LEADING in large.outcomes else next(iter(small.outcomes))
    return [
        Finding(
            _signed(large.outcomes[name].mean - small.outcomes[name].mean, name),
            f"{name} from {small.size:,} to {large.size:,} texts a language",
            f"{small.size:,} and then {large.size:,} texts of each language take {large.setting}: {'; '.join(parts)}.",
        )
    ]


def _change(each: Summary, base: Summary) -> list[Finding]:
    shared = [name for name in SCORES if name in each.outcomes and name in base.outcomes]
    if not shared:
        return []
    parts = [
        f"{name} {_number(each.outcomes[name].mean, name)} against {_number(base.outcomes[name].mean, name)}, "
        f"{_verdict(each.outcomes[name], base.outcomes[name])}"
        for name in shared
    ]
    lead = shared[0]
    outcome = each.outcomes[lead]
    text = f"With the setting {each.setting} and {texts_of(each.size)}: {'; '.join(parts)} ({_seeds(each)})."
    if outcome.chance is not None and outcome.low is not None:
        above = "still" if outcome.low > outcome.chance else "not"
        text += f" {lead} is {above} above chance ({percent(outcome.chance)})."
    delta = _signed(outcome.mean - base.outcomes[lead].mean, lead)
    return [Finding(delta, f"{lead}, {each.setting} against {base.setting}", text)]


def _verdict(one: Outcome, other: Outcome) -> str:
    known = clear(one, other)
    if known is None:
        return "of one seed"
    if not known:
        return "within the spread over seeds"
    return "clearly more" if one.mean > other.mean else "clearly less"


def _seeds(each: Summary) -> str:
    return f"{each.seeds} seed{'' if each.seeds == 1 else 's'}"


PART = Part(SECTION, "What cross-lingual structure takes", guides, tables, payload, drawings, findings)
