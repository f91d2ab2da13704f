"""Names of languages and measures, as readers know them."""

from typing import Final

import langcodes

from babelscope.data.languages import read_tag

_METRICS: Final = {
    "cka": "CKA", "rbf": "RBF CKA", "cca": "CCA", "svcca": "SVCCA", "pwcca": "PWCCA", "procrustes": "Procrustes",
    "neuron_correlation": "Neuron correlation", "cosine": "Cosine", "mrr": "MRR",
}  # fmt: skip


_COEFFICIENTS: Final = {"pearson": "Pearson’s r", "spearman": "Spearman’s ρ", "kendall": "Kendall’s τ"}


def language_name(tag: str) -> str:
    """The English name of a language, with its script or region where the tag has one: `Chinese (Hant)`.

    A tag that names no language goes by itself.
    """
    known = read_tag(tag)
    if not known.registered:
        return tag
    name = langcodes.Language.make(language=known.language).language_name("en")
    rest = known.canonical.partition("-")[2]
    return f"{name} ({rest})" if rest else name


def coefficient_name(method: str) -> str:
    """A correlation by its author and letter: `Spearman’s ρ`."""
    return _COEFFICIENTS.get(method, method)


def metric_name(metric: str, estimator: str = "") -> str:
    """A metric with its estimator: `CKA, debiased`."""
    name = _METRICS.get(metric, metric.replace("p@", "P@"))
    return f"{name}, {estimator}" if estimator else name


def layer_name(layer: int | None) -> str:
    """A layer in a sentence; None where there is none."""
    return "no layer" if layer is None else "the embeddings" if layer == 0 else f"layer {layer}"


def layer_label(layer: int | None) -> str:
    """A layer in a table's cell."""
    return "embeddings" if layer == 0 else str(layer)
