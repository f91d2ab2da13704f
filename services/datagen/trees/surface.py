"""Raw text of words whose order has changed: where each word lies in a text, and the text written anew."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from babelscope.data.examples import Sentence, Word
from babelscope.data.texts import whole_number

Span = tuple[int, int]

_LONGEST_MULTIWORD = 6
_LONGEST_TOKEN = 200
"""Letters of a multi-word token. Every end within it is tried, so that their number must be bounded."""
_APOSTROPHES = ("'", "’", "ʼ")


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence in its new order.

    Attributes:
        sentence: The words with their heads renumbered, and the raw text.
        spans: For each word, in the new order, where it lies in the new text.
    """

    sentence: Sentence
    spans: tuple[Span, ...]


def align(words: Sequence[Word], text: str) -> list[Span] | None:
    """Where each word lies in its raw text; None where the text does not spell the words.

    The words of a multi-word token (German `zu dem` in `zum`) share its span.
    """
    spans: list[Span] = []
    position, index = 0, 0
    while index < len(words):
        while position < len(text) and text[position].isspace():
            position += 1
        if _stands(words, text, index, position):
            spans.append((position, position + len(words[index].form)))
            position, index = spans[-1][1], index + 1
            continue
        found = _multiword(words, text, index, position)
        if found is None:
            return None
        size, end = found
        spans += [(position, end)] * size
        position, index = end, index + size
    return spans if not text[position:].strip() else None


def _stands(words: Sequence[Word], text: str, index: int, position: int) -> bool:
    """Whether a word is spelled here and ends here: `de` does not in Portuguese `delas`, which is `de elas`."""
    end = position + len(words[index].form)
    if not text.startswith(words[index].form, position):
        return False
    following = words[index + 1].form if index + 1 < len(words) else ""
    letters = words[index].form[-1:].isalnum() and text[end : end + 1].isalnum()
    return not letters or text.startswith(following, end)


def _multiword(words: Sequence[Word], text: str, index: int, position: int) -> tuple[int, int] | None:
    """How many words the token at `position` stands for, and where it ends: the first end from which words go on."""
    stop = position
    while stop < min(len(text), position + _LONGEST_TOKEN) and not text[stop].isspace():
        stop += 1
    for size in range(1, min(_LONGEST_MULTIWORD, len(words) - index) + 1):
        rest = words[index + size : index + size + 2]
        for end in (stop, *range(stop - 1, position, -1)):
            if _continues(rest, text, end):
                return size, end
    return None


def _continues(rest: Sequence[Word], text: str, position: int) -> bool:
    """Whether the next words are spelled from here on; the first must be, the second may begin a multi-word token."""
    while position < len(text) and text[position].isspace():
        position += 1
    return text.startswith(rest[0].form, position) if rest else position == len(text)


def rewrite(words: Sequence[Word], text: str, spans: Sequence[Span], order: Sequence[int]) -> Written:
    """Writes a sentence in a new order.

    A space belongs to the boundary between two words. Words that were neighbours keep what stood between them; new
    neighbours are separated by a space, unless the language writes none, or one of them is punctuation, a clitic or an
    elided word that leaned on that side before. A multi-word token keeps its spelling where its words stay together.

    Args:
        words: The words, in their old order.
        text: The raw text.
        spans: For each word where it lies in the text.
        order: Old positions in their new order.
    """
    joint = _joints(words, text, spans)
    shared = Counter(spans)
    pieces: list[str] = []
    new_spans: list[Span] = []
    spaced: list[bool] = []
    length, place = 0, 0
    while place < len(order):
        size = _kept_together(spans, order, place)
        first, last = order[place], order[place + size - 1]
        alone = shared[spans[first]] == 1
        surface = text[slice(*spans[first])] if alone or size > 1 else words[first].form
        following = order[place + size] if place + size < len(order) else None
        gap = "" if following is None else joint(last, following)
        new_spans += [(length, length + len(surface))] * size
        spaced += [True] * (size - 1) + [bool(gap) or following is None]
        pieces += [surface, gap]
        length += len(surface) + len(gap)
        place += size
    new_position = {old: new for new, old in enumerate(order)}
    moved = [
        replace(
            words[old],
            head=_renumbered(words[old].head, new_position),
            deps=_renumbered_all(words[old].deps, new_position),
            space_after=space,
        )
        for old, space in zip(order, spaced, strict=True)
    ]
    return Written(Sentence(tuple(moved), "".join(pieces)), tuple(new_spans))


def _renumbered(head: int | None, new_position: dict[int, int]) -> int | None:
    return new_position[head - 1] + 1 if head else head


def _renumbered_all(deps: str, new_position: dict[int, int]) -> str:
    """Enhanced dependencies with their heads renumbered; one without a head among the words is left out."""
    found = []
    for part in deps.split("|") if deps else ():
        head, colon, relation = part.partition(":")
        place = whole_number(head) if colon else None
        if place is not None and (place == 0 or place - 1 in new_position):
            found.append((_renumbered(place, new_position) or 0, relation))
    return "|".join(f"{head}:{relation}" for head, relation in sorted(found))


def _kept_together(spans: Sequence[Span], order: Sequence[int], place: int) -> int:
    """How many words from here are a whole multi-word token in its old order; 1 for any other word."""
    first = order[place]
    if first > 0 and spans[first - 1] == spans[first]:
        return 1
    size = 1
    while first + size < len(spans) and spans[first + size] == spans[first]:
        size += 1
    return size if list(order[place : place + size]) == list(range(first, first + size)) else 1


def _is_spaceless(words: Sequence[Word], spans: Sequence[Span]) -> bool:
    """Whether words follow one another without space, punctuation aside."""
    joints = [
        left[1] == right[0]
        for (left, right), (one, other) in zip(pairwise(spans), pairwise(words), strict=True)
        if left != right and "PUNCT" not in (one.upos, other.upos)
    ]
    return len(joints) > 0 and sum(joints) > len(joints) / 2


def _joints(words: Sequence[Word], text: str, spans: Sequence[Span]) -> Callable[[int, int], str]:
    """What to write between two words that become neighbours, by their old positions."""
    spaceless = _is_spaceless(words, spans)

    def joint(left: int, right: int) -> str:
        if right == left + 1 and spans[left] != spans[right]:
            return text[spans[left][1] : spans[right][0]]
        if spaceless:
            return ""
        leans_right = left + 1 < len(spans) and spans[left + 1][0] == spans[left][1]
        leans_left = right > 0 and spans[right - 1][1] == spans[right][0]
        if leans_right and (words[left].upos == "PUNCT" or words[left].form.endswith(_APOSTROPHES)):
            return ""
        if leans_left and (words[right].upos == "PUNCT" or words[right].form.startswith(_APOSTROPHES)):
            return ""
        return " "

    return joint
