"""Dependency trees over the words of a sentence: checked on the way in, walked without recursion."""

from collections.abc import Sequence
from dataclasses import dataclass

from babelscope.data.examples import Sentence, Word

from services.runtime.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Tree:
    """A rooted tree over words, positions from 0.

    Attributes:
        words: The words in surface order.
        heads: [n] position of each word's head; -1 for the root.
        children: [n] positions of each word's dependents, in surface order.
        root: Position of the root.
        order: [n] all positions, every head before its dependents.
    """

    words: tuple[Word, ...]
    heads: tuple[int, ...]
    children: tuple[tuple[int, ...], ...]
    root: int
    order: tuple[int, ...]

    def subtree(self, position: int) -> list[int]:
        """Positions of a word and of all that depends on it, in surface order."""
        found, waiting = [], [position]
        while waiting:
            word = waiting.pop()
            found.append(word)
            waiting += self.children[word]
        return sorted(found)


def tree_of(sentence: Sentence, example: str) -> Tree:
    """The dependency tree of a sentence.

    Args:
        sentence: A sentence whose words have heads.
        example: Id of the example it comes from, for messages.

    Raises:
        InvalidArgument: There are no words, a word has no head or one outside the sentence, there is not exactly one
            root, or the heads form a cycle.
    """
    words = sentence.words
    if not words:
        raise _broken(example, "Expected a sentence of at least one word, but got none")
    heads = _heads(words, example)
    children: list[list[int]] = [[] for _ in words]
    for position, head in enumerate(heads):
        if head >= 0:
            children[head].append(position)
    root = heads.index(-1)
    order = [root]
    for word in order:
        order.extend(children[word])
    if len(order) < len(words):
        lost = min(set(range(len(words))) - set(order))
        raise _broken(example, f"Expected a tree, but the heads form a cycle through word {_on_cycle(heads, lost) + 1}")
    return Tree(words, heads, tuple(map(tuple, children)), root, tuple(order))


def _heads(words: Sequence[Word], example: str) -> tuple[int, ...]:
    heads = []
    for position, word in enumerate(words, start=1):
        if word.head is None:
            raise _broken(example, f"Expected a head for every word, but word {position} ({word.form!r}) has none")
        if not 0 <= word.head <= len(words):
            raise _broken(
                example, f"Expected heads within 0..{len(words)}, but word {position} ({word.form!r}) has {word.head}"
            )
        heads.append(word.head - 1)
    roots = heads.count(-1)
    if roots != 1:
        raise _broken(example, f"Expected one root, but got {roots}")
    return tuple(heads)


def _on_cycle(heads: Sequence[int], start: int) -> int:
    """A word on the cycle that a walk up from `start` runs into."""
    seen: set[int] = set()
    word = start
    while word not in seen:
        seen.add(word)
        word = heads[word]
    return word


def _broken(example: str, problem: str) -> InvalidArgument:
    return InvalidArgument("examples", f"{problem} (example {example!r})")
