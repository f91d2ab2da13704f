"""What may be removed from a store, and why the rest may not. Pure: it reads nothing and removes nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from babelscope.store.places import Place, StoredObject
from babelscope.store.references import CARDS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one object.

    Attributes:
        object: Object that is judged.
        remove: Whether the object may be removed.
        reason: Reason of the verdict, a clause.
    """

    object: StoredObject
    remove: bool
    reason: str


def judge(
    objects: Sequence[StoredObject],
    named: Mapping[str, Collection[str]],
    live: Mapping[str, str],
    *,
    before: float,
    kinds: Collection[str] = (),
    protected: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """Decides about every object of a store.

    An object is kept where it is young, of another kind than those asked for or of a protected one, where something
    outside of the store names it, or where an object that is kept names it, over any number of steps. A card is kept
    exactly as long as what it is about.

    Args:
        objects: All objects of the store.
        named: Keys that each list and each card names, by its own key.
        live: Keys that something outside of the store names, with the place of the name.
        before: Time in seconds since the epoch; objects put later are young.
        kinds: Kinds that may be removed; all where empty.
        protected: Kinds that may not be removed, each with the reason.

    Returns:
        Verdicts, in the order in which objects can be removed: what names others comes before what it names.
    """
    protected = protected or {}
    present = {each.key for each in objects}
    cards = [each for each in objects if each.kind.endswith(CARDS)]
    others = [each for each in objects if not each.kind.endswith(CARDS)]
    reasons: dict[str, str] = {}
    for each in others:
        if each.key in live:
            reasons[each.key] = f"named by {live[each.key]}"
        elif each.kind in protected:
            reasons[each.key] = protected[each.kind]
        elif each.modified > before:
            reasons.setdefault(each.key, "young")
        elif kinds and each.kind not in kinds:
            reasons.setdefault(each.key, "of another kind")
    open_keys = [key for key in reasons if named.get(key)]
    while open_keys:
        key = open_keys.pop()
        for other in sorted(named.get(key, ())):
            if other in present and (other not in reasons or reasons[other] in ("young", "of another kind")):
                known = other in reasons
                reasons[other] = f"named by {key}"
                if not known:
                    open_keys.append(other)
    verdicts = [_verdict(each, reasons) for each in others]
    kept = {verdict.object.key for verdict in verdicts if not verdict.remove}
    verdicts.sort(key=lambda verdict: not named.get(verdict.object.key))
    return [*verdicts, *(_card(each, named, kept, before) for each in cards)]


def _verdict(each: StoredObject, reasons: Mapping[str, str]) -> Verdict:
    reason = reasons.get(each.key)
    return Verdict(each, reason is None, reason or "nothing names it")


def _card(card: StoredObject, named: Mapping[str, Collection[str]], kept: Collection[str], before: float) -> Verdict:
    """A card goes with what it is about; a young one may be about what is just being put."""
    about = next((key for key in sorted(named.get(card.key, ())) if key in kept), None)
    if about is not None:
        return Verdict(card, False, f"about {about}")
    if card.modified > before:
        return Verdict(card, False, "young")
    return Verdict(card, True, "about nothing that is kept")


def remove(place: Place, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Removes what may be removed. What was put anew since it was judged stays.

    Args:
        place: Store that the objects are in.
        verdicts: Verdicts in the order of `judge`: an interruption leaves no list whose parts are gone.

    Returns:
        Those whose objects were removed.
    """
    done = []
    for verdict in verdicts:
        if verdict.remove and place.modified(verdict.object.path) == verdict.object.modified:
            place.delete(verdict.object.path)
            done.append(verdict)
    return done
