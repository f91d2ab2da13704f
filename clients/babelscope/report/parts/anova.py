"""Analyses of variance as tables."""

from collections.abc import Sequence
from typing import Any, Final

from babelscope.report.guide import Guide
from babelscope.report.parts.base import Part, p_text
from babelscope.report.tables import Table
from babelscope.study.sections.anova import SECTION, Analysis

_GUIDE: Final = Guide(
    "Analysis of variance",
    "A test of whether the means of groups differ by more than values within a group do. F is the ratio of the "
    "variance between groups to the variance within groups; η² is the share of the variance that lies between groups "
    "in this sample, ω² its estimate for the population.",
    "It assumes independent values and equal variances. Factors are tested one at a time, without controlling for the "
    "others. ω² may be slightly negative where there is no effect.",
)
_CHANCE: Final = (
    "Chance level: F near 1 and ω² near 0 where the factor has no effect; p is the probability of an F at least as "
    "large in that case."
)


def content(records: Sequence[Analysis]) -> dict[str, Any]:
    """One table over all factors, the strongest first, and the groups of each."""
    by_name: dict[str, list[Analysis]] = {}
    for each in records:
        by_name.setdefault(each.name, []).append(each)
    found = []
    for name, listed in by_name.items():
        order = sorted(listed, key=lambda each: each.p_value)
        head = ("Factor", "F", "Degrees of freedom", "p", "η²", "ω²", "Groups: mean ± sd (n)")
        body = [
            (
                each.factor, f"{each.f:.2f}", f"{each.df_between}, {each.df_within}", p_text(each.p_value),
                f"{each.eta_squared:.3f}", f"{each.omega_squared:.3f}".replace("-", "−"), _groups(each),
            )
            for each in order
        ]  # fmt: skip
        cited = "; ".join(dict.fromkeys(each.cite for each in listed if each.cite))
        found.append(Table(f"{name}{f' ({cited})' if cited else ''}", head, body, words=frozenset({6})))
    return {"tables": found, "chance": _CHANCE}


def _groups(each: Analysis) -> str:
    said = []
    for group in each.groups:
        spread = f" ± {group.sd:.1f}" if len(group.values) > 1 else ""
        said.append(f"{group.name}: {group.mean:.1f}{spread} ({len(group.values)})")
    return "; ".join(said)


def guides(records: Sequence[Analysis]) -> list[tuple[Guide, str]]:
    """How to read an analysis of variance."""
    del records
    return [(_GUIDE, _CHANCE)]


PART = Part(SECTION, "Analysis of variance", guides, content)
