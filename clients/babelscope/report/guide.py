"""What each number means, in plain words."""

from dataclasses import dataclass
from typing import Final

from babelscope.report.names import metric_name
from babelscope.report.numbers import LayerMeasure


@dataclass(frozen=True, slots=True)
class Guide:
    """How to read a measure.

    Attributes:
        title: Name.
        meaning: Meaning of the measure.
        beware: What it is not, or when not to trust it.
    """

    title: str
    meaning: str
    beware: str


_CKA = (
    "Similarity of the geometry of the same sentences in two languages: 1 where one language is a rotation of the "
    "other up to scale, 0 where the two are unrelated (linear CKA, Kornblith et al. 2019)."
)
_DOMINANT = "A few dimensions of large variance can dominate it: compare with the standardised variant."

_GUIDES: Final = {
    "cka/debiased": Guide(
        "CKA, debiased",
        _CKA + " This estimator corrects the bias of small samples: unrelated sentences give 0 on average.",
        "It can be slightly negative. " + _DOMINANT,
    ),
    "cka/biased": Guide(
        "CKA, biased",
        _CKA + " This is the estimator as published.",
        "Unrelated sentences give more than 0, the more so with fewer sentences and larger hidden sizes: compare it "
        "with its chance level only. " + _DOMINANT,
    ),
    "svcca": Guide(
        "SVCCA",
        "Mean canonical correlation between the directions that hold 99 % of each language's variance: 1 where one "
        "language is a linear image of the other (Raghu et al. 2017).",
        "With fewer than ten sentences per direction it is high for any data: compare it with its chance level only.",
    ),
    "rbf": Guide(
        "RBF CKA",
        "CKA with a Gaussian kernel whose bandwidth is the median distance between sentences, on a seeded sample: it "
        "depends on near neighbours more than on distant ones (Kornblith et al. 2019; as in Conneau, Wu et al. 2020).",
        "It depends on the bandwidth, which the signature names. The biased estimator gives much more than 0 "
        "for unrelated sentences.",
    ),
    "cca": Guide(
        "CCA",
        "The mean of all canonical correlations: 1 where one language is a linear image of the other (Hotelling 1936).",
        "It is 1 for any data with no more sentences than dimensions, and high with few more: compare it with its "
        "chance level only.",
    ),
    "pwcca": Guide(
        "PWCCA",
        "Mean canonical correlation, weighted by how much of the left language each direction accounts for (Morcos et "
        "al. 2018).",
        "It is not symmetric. With fewer than ten sentences per direction it is high for any data.",
    ),
    "procrustes/similarity": Guide(
        "Procrustes similarity",
        "Agreement of two languages, centred and scaled to unit norm, after the best rotation: 1 where one is a "
        "rotation of the other (Ding et al. 2021).",
        "Unrelated sentences give more than 0, the more so with fewer sentences.",
    ),
    "procrustes": Guide(
        "Procrustes distance",
        "Distance of two languages, centred and scaled to unit norm, after the best rotation: 0 where one is a "
        "rotation of the other, 1.41 at most (Ding et al. 2021; Williams et al. 2021).",
        "Lower is more similar. Unrelated sentences give less than 1.41, the less so with fewer sentences.",
    ),
    "neuron_correlation": Guide(
        "Neuron correlation",
        "Mean correlation of each dimension with the same dimension: whether single neurons respond alike in both "
        "languages.",
        "It does not measure what is distributed over several neurons, and is meaningful only within one model.",
    ),
    "cosine": Guide(
        "Cosine",
        "Mean cosine of a sentence and its translation.",
        "Hidden states share a large common direction, so that unrelated sentences may also have a cosine near 1: only "
        "the difference from the chance level is meaningful.",
    ),
    "p@": Guide(
        "Precision at k",
        "Share of sentences whose translation is among their k nearest neighbours in the other language, by cosine or "
        "by CSLS, which subtracts from each cosine the mean similarity of both sentences to their 10 nearest "
        "neighbours.",
        "It depends on the number of candidates n; the chance level is k / n.",
    ),
    "mrr": Guide(
        "Mean reciprocal rank",
        "Mean of 1 / rank of the translation; ties take the worst rank.",
        "It depends on the number of candidates.",
    ),
}
_CSLS = " CSLS lowers the scores of hubs, sentences that are near to many others."
_CENTRED = " Each language's mean is subtracted first."


def is_distance(measure: LayerMeasure) -> bool:
    """Whether less of it is more alike."""
    return measure.metric == "procrustes" and measure.estimator != "similarity"


def guide(measure: LayerMeasure) -> Guide:
    """How to read a measure; its bare name where nothing is known of it."""
    for key in (f"{measure.metric}/{measure.estimator}", measure.metric, measure.metric.partition("@")[0] + "@"):
        if key in _GUIDES:
            return _GUIDES[key]
    return Guide(metric_name(measure.metric, measure.estimator), "", "")


def meaning(measure: LayerMeasure) -> str:
    """What a measure is, with what its own similarity and centring add."""
    added = (_CSLS if measure.estimator == "csls" else "") + (_CENTRED if measure.centred else "")
    return guide(measure).meaning + added


def label(measure: LayerMeasure) -> str:
    """A measure's name for a menu: `P@1, CSLS, centred`."""
    estimator = {"csls": "CSLS", "mean": ""}.get(measure.estimator, measure.estimator)
    return metric_name(measure.metric, estimator) + (", centred" if measure.centred else "")
