"""Words through a linear map that is fitted on some words of a dictionary and measured on the others.

Conneau, Wu et al. 2020, section 5.1.1: words of two models that share nothing, aligned at each layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.corpora import WordPairs
from babelscope.data.models import Intervention, LinearMap
from babelscope.errors import StudyError
from babelscope.study.nodes import Node
from babelscope.study.sections.maps import HOLDOUT, is_held, share
from babelscope.study.values import get, options


@dataclass(frozen=True, slots=True)
class WordMap:
    """How a map is fitted.

    Attributes:
        method: Name of the method, as the metrics server knows it.
        options: Options of the method; the map must be a matrix and a bias.
        holdout: Share of the source words kept from fitting, for retrieval.
    """

    method: str = "procrustes"
    options: Mapping[str, str] = field(default_factory=lambda: {"normalisation": "centre"})
    holdout: float = HOLDOUT


def read(node: Node) -> WordMap:
    """The key `map` of a section of words."""
    usual = WordMap()
    keys = node.mapping("method", "options", "holdout")
    return WordMap(
        method=get(keys, "method", Node.text, usual.method),
        options={**usual.options, **get(keys, "options", options, {})},
        holdout=get(keys, "holdout", share, usual.holdout),
    )


def split(pairs: WordPairs, holdout: float) -> tuple[WordPairs, WordPairs]:
    """The pairs that a map is fitted on, and those that it is measured on: by a digest of the source word.

    Raises:
        StudyError: One of the two is empty.
    """
    fitted = WordPairs(tuple(pair for pair in pairs.pairs if not is_held(pair[0], holdout)))
    held = WordPairs(tuple(pair for pair in pairs.pairs if is_held(pair[0], holdout)))
    if not (fitted.pairs and held.pairs):
        raise StudyError(
            f"Expected `words.map.holdout` to leave words on either side, but {holdout} of {len(pairs.pairs)} pairs "
            f"keeps {len(held.pairs)}"
        )
    return fitted, held


def known(pairs: WordPairs, source: View, target: View) -> tuple[tuple[str, str], ...]:
    """The pairs of which both words have rows: of words in contexts, those that the corpora have.

    Raises:
        StudyError: There is none.
    """
    rows = [None if view.ids is None else frozenset(view.ids) for view in (source, target)]
    found = tuple(
        pair for pair in pairs.pairs if all(ids is None or word in ids for word, ids in zip(pair, rows, strict=True))
    )
    if not found:
        raise StudyError("Expected pairs of words in the corpora, on which `words.map` is fitted, but they have none")
    return found


def edits(each: FittedMap, design: WordMap) -> dict[str, tuple[Intervention, ...]]:
    """What brings each side into the common space, by side.

    Raises:
        StudyError: The map is no matrix and bias.
    """
    if not each.affine:
        raise StudyError(
            f"Expected `words.map` to be a matrix and a bias, by `normalisation` none or centre, but {design.method} "
            f"with {dict(design.options)} does not"
        )
    names = {"source": each.source_map, "target": each.target_map}
    return {
        side: (Intervention(each.layer, linear_map=LinearMap(name, bias=name)),) if name else ()
        for side, name in names.items()
    }
