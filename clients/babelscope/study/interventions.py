"""Edits of hidden states that a study makes in all that it encodes: shifts between languages, and linear maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelscope.calls.corpus.means import LayerMeans, shift
from babelscope.calls.maps import load_map
from babelscope.data.models import Intervention, LinearMap
from babelscope.errors import DataCorrupted, StudyError
from babelscope.study.design import InterventionDesign
from babelscope.study.nodes import Node
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.result import ModelUse
from babelscope.study.values import get, need, number


def read(node: Node, languages: Sequence[str]) -> tuple[InterventionDesign, ...]:
    """The edits that a study file lists, in order."""
    return tuple(_read(item, languages) for item in node.items())


def _read(node: Node, languages: Sequence[str]) -> InterventionDesign:
    keys = node.mapping("layer", "languages", "shift", "map", "allow_other_model")
    if ("shift" in keys) == ("map" in keys):
        node.fail("either the key shift or the key map", sorted(keys))
    layer = need(node, keys, "layer").integer(0)
    chosen = get(keys, "languages", lambda item: item.unique(lambda one: one.choice(*languages)), None)
    other = get(keys, "allow_other_model", lambda item: item.boolean(), False)
    if "map" in keys:
        return InterventionDesign(layer, chosen, linear_map=corpus_path(keys["map"], ""), allow_other_model=other)
    given = keys["shift"].mapping("from", "to", "alpha")
    source, target = (corpus_path(need(keys["shift"], given, side), "") for side in ("from", "to"))
    alpha = get(given, "alpha", number, 1.0)
    return InterventionDesign(layer, chosen, (source, target), alpha, allow_other_model=other)


def depends(designs: Sequence[InterventionDesign]) -> dict[str, Any]:
    """All that the edits depend on, as JSON values; nothing where there are none.

    Raises:
        StudyError: A file cannot be read.
    """
    if not designs:
        return {}
    return {
        "interventions": [
            [each.layer, each.languages, each.alpha, [file_digest(path) for path in each.files]] for each in designs
        ]
    }


def edits(designs: Sequence[InterventionDesign], language: str, use: ModelUse) -> tuple[Intervention, ...]:
    """The edits of one language's texts in one model.

    Raises:
        StudyError: A file holds no means or map, or they are of another model or layer.
    """
    return tuple(_edit(each, use) for each in designs if each.languages is None or language in each.languages)


def _edit(design: InterventionDesign, use: ModelUse) -> Intervention:
    if design.layer > use.layers:
        raise StudyError(
            f"Expected `interventions` within 0..{use.layers} for model {use.used}, but got {design.layer}"
        )
    try:
        if design.linear_map is not None:
            found = load_map(design.linear_map)
            if not design.allow_other_model:
                _check_model(design.linear_map, found.model_digest, use)
            return Intervention(design.layer, linear_map=LinearMap(found.matrix, found.bias))
        assert design.shift is not None
        means = [LayerMeans.load(path) for path in design.shift]
        for path, each in zip(design.shift, means, strict=True):
            if not design.allow_other_model:
                _check_model(path, each.model_digest, use)
        return shift(means[0], means[1], design.layer, design.alpha, allow_other_model=design.allow_other_model)
    except (ValueError, OSError, DataCorrupted) as error:
        files = " and ".join(str(path) for path in design.files)
        raise StudyError(f"Expected an edit of `interventions` in {files}, but got: {error}") from error


def _check_model(path: Path, digest: str, use: ModelUse) -> None:
    """Refuses what was computed with another model; who says nothing of a model is believed."""
    if digest and digest != use.digest:
        raise StudyError(
            f"Expected {path} to be computed with model {use.used}, but it was with another; `allow_other_model: true` "
            "applies it all the same"
        )
