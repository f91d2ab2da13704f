"""What each number means, in plain words."""

from dataclasses import dataclass
from typing import Final

from babelscope.report.names import metric_name
from babelscope.report.numbers import Measure


@dataclass(frozen=True, slots=True)
class Guide:
    """How to read a measure.

    Attributes:
        title: Its name.
        meaning: What it is.
        beware: What it is not, or when not to trust it.
    """

    title: str
    meaning: str
    beware: str


_CKA = (
    "How alike two languages arrange the same sentences: 1 where the distances between sentences are the same in both "
    "up to a rotation and one scale, 0 where they have nothing to do with each other (linear CKA, Kornblith et al. "
    "2019)."
)
_DOMINANT = "A few dimensions of large variance can carry most of it: compare with the standardised variant."

_GUIDES: Final = {
    "cka/debiased": Guide(
        "CKA, debiased",
        _CKA + " This form takes the bias of small samples out: unrelated sentences give 0 on average.",
        "It can be a little below 0. " + _DOMINANT,
    ),
    "cka/biased": Guide(
        "CKA, biased",
        _CKA + " This is the usual form, as published.",
        "Unrelated sentences give more than 0, and the more so the fewer the sentences and the wider the model: read "
        "it against its chance level only. " + _DOMINANT,
    ),
    "svcca": Guide(
        "SVCCA",
        "The directions that hold 99 % of each language's variance are matched by linear combinations; the mean of "
        "their correlations. 1 where one language is a linear image of the other (Raghu et al. 2017).",
        "With fewer than ten sentences a direction it is high for any data: read it against its chance level only.",
    ),
    "rbf": Guide(
        "RBF CKA",
        "CKA with a Gaussian kernel at the median distance between sentences, on a seeded sample: near neighbours "
        "count, far ones hardly do (Kornblith et al. 2019; the form of Conneau, Wu et al. 2020).",
        "It depends on the width of the kernel, which the signature names. The biased form gives much more than 0 "
        "for unrelated sentences.",
    ),
    "cca": Guide(
        "CCA",
        "The mean of all canonical correlations: 1 where one language is a linear image of the other (Hotelling 1936).",
        "With no more sentences than dimensions it is 1 for any data, and high for few more: read it against its "
        "chance level only.",
    ),
    "pwcca": Guide(
        "PWCCA",
        "Canonical correlations weighted by how much of the left language each direction accounts for (Morcos et al. "
        "2018).",
        "Exchanging the languages changes it. With fewer than ten sentences a direction it is high for any data.",
    ),
    "procrustes/similarity": Guide(
        "Procrustes similarity",
        "How well the best rotation turns one language into the other, both centred and of one size: 1 where it does"
        " so exactly (Ding et al. 2021).",
        "Unrelated sentences give more than 0, and the more so the fewer they are.",
    ),
    "procrustes": Guide(
        "Procrustes distance",
        "What remains between two languages, centred and of one size, after the best rotation: 0 where one is a "
        "rotation of the other, 1.41 at most (Ding et al. 2021; Williams et al. 2021).",
        "A distance: less is more alike. Unrelated sentences give less than 1.41, and the less so the fewer they are.",
    ),
    "neuron_correlation": Guide(
        "Neuron correlation",
        "The mean correlation of a dimension with the same dimension: whether single neurons do the same in both "
        "languages.",
        "It sees nothing of what is spread over several neurons, and means something only through one model.",
    ),
    "cosine": Guide(
        "Cosine",
        "The mean cosine of a sentence and its translation.",
        "Hidden states share a large common direction, so that unrelated sentences may have a cosine near 1 as well: "
        "only the distance from the chance level says something.",
    ),
    "p@": Guide(
        "Precision at k",
        "The share of sentences whose translation is among the k nearest of the other language's sentences, by cosine "
        "or by CSLS, which takes from each cosine how near the two are to their 10 nearest neighbours.",
        "It depends on how many sentences there are to choose from; chance is k in n.",
    ),
    "mrr": Guide(
        "Mean reciprocal rank",
        "The mean of 1 over the rank at which the translation is found, ties to the worst rank.",
        "It depends on how many sentences there are to choose from.",
    ),
}
_CSLS = " CSLS keeps sentences that are near to everything from winning."
_CENTRED = " Each language's mean is subtracted first."


def is_distance(measure: Measure) -> bool:
    """Whether less of it is more alike."""
    return measure.metric == "procrustes" and measure.estimator != "similarity"


def guide(measure: Measure) -> Guide:
    """How to read a measure; its bare name where nothing is known of it."""
    for key in (f"{measure.metric}/{measure.estimator}", measure.metric, measure.metric.partition("@")[0] + "@"):
        if key in _GUIDES:
            return _GUIDES[key]
    return Guide(metric_name(measure.metric, measure.estimator), "", "")


def meaning(measure: Measure) -> str:
    """What a measure is, with what its own similarity and centring add."""
    added = (_CSLS if measure.estimator == "csls" else "") + (_CENTRED if measure.centred else "")
    return guide(measure).meaning + added


def label(measure: Measure) -> str:
    """A measure's name for a menu: `P@1, CSLS, centred`."""
    estimator = {"csls": "CSLS", "mean": ""}.get(measure.estimator, measure.estimator)
    return metric_name(measure.metric, estimator) + (", centred" if measure.centred else "")
