"""Predicted labels that gold does not have: each is an error of the prediction, and most often one of spelling.

`Neutral` for `neutral`, 2 for a name, XPOS for UPOS tags: a score of 0 looks like a bad model, so the labels are
counted and named beside it.
"""

from collections import Counter
from collections.abc import Collection
from typing import Final

from services.runtime.suggestions import closest

NAMED: Final = 5
"""Labels that a warning names."""

UPOS: Final = frozenset({
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
    "SYM", "VERB", "X",
})  # fmt: skip
"""Universal parts of speech (Nivre et al. 2020)."""

RELATIONS: Final = frozenset({
    "acl", "advcl", "advmod", "amod", "appos", "aux", "case", "cc", "ccomp", "clf", "compound", "conj", "cop", "csubj",
    "dep", "det", "discourse", "dislocated", "expl", "fixed", "flat", "goeswith", "iobj", "list", "mark", "nmod",
    "nsubj", "nummod", "obj", "obl", "orphan", "parataxis", "punct", "reparandum", "root", "vocative", "xcomp",
})  # fmt: skip
"""Universal dependency relations of version 2, without sub-types (Nivre et al. 2020)."""


def outside(
    predicted: Counter[str], gold: Collection[str], what: str, *, closed: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """Warns of predicted labels that gold does not have.

    Args:
        predicted: How often each label is predicted; none that stands for a missing prediction.
        gold: All gold labels.
        what: What they are, plural: `labels`.
        closed: All labels of a known inventory. Where it has all of gold's, a label of it that happens not to occur in
            gold is not warned of.

    Returns:
        One warning, or none.
    """
    known = set(gold) | (set(closed) if set(gold) <= set(closed) else set())
    strange = Counter({label: count for label, count in predicted.items() if label not in known})
    if not strange:
        return ()
    # Only those that are shown are compared with others, which takes long.
    first = sorted(strange.items(), key=lambda one: (-one[1], one[0]))[:NAMED]
    shown = [_named(label, count, known) for label, count in first]
    more = f" and {len(strange) - NAMED} more" if len(strange) > NAMED else ""
    return (
        f"{strange.total()} of {predicted.total()} predicted {what} are none of gold's and count as errors: "
        f"{', '.join(shown)}{more}",
    )


def _named(label: str, count: int, known: Collection[str]) -> str:
    folded = {each.casefold(): each for each in sorted(known)}
    near = closest(label.casefold(), folded)
    hint = f", did you mean {folded[near[0]]!r}?" if near else ""
    return f"{label[:40]!r} ({count} {'time' if count == 1 else 'times'}{hint})"
