"""From constituents to a sentence: tokens with heads, joined in order, numbered and spelled at the end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from babelscope.data.examples import Sentence, Word


@dataclass(slots=True, eq=False)
class Tok:
    """A word on its way into a tree.

    Attributes:
        form: Surface form, as it is within a sentence.
        lemma: Dictionary form.
        upos: Universal part of speech.
        feats: Features by name.
        deprel: Relation to the head; set when it is joined.
        head: The head; None until it is joined.
        ner: BIO tag.
        glued: No space follows.
    """

    form: str
    lemma: str
    upos: str
    feats: dict[str, str] = field(default_factory=dict)
    deprel: str = "root"
    head: "Tok | None" = None
    ner: str = "O"
    glued: bool = False


@dataclass(slots=True, eq=False)
class Phrase:
    """Tokens in order, the head among them, and which slot each stretch fills.

    Attributes:
        head: The token that others outside hang on.
        tokens: In surface order.
        parts: Name and tokens of each slot, in order.
    """

    head: Tok
    tokens: list[Tok]
    parts: list[tuple[str, list[Tok]]]

    @property
    def forms(self) -> tuple[str, ...]:
        """The surface forms."""
        return tuple(token.form for token in self.tokens)


Item = tuple[str, Phrase | Tok | None, str]
"""A slot's name, what fills it (None leaves it out), and its relation to the head; empty for the head itself."""


def join(head: Tok, items: Iterable[Item]) -> Phrase:
    """Joins constituents in order under one head.

    Args:
        head: The head; it must be the head of the items whose relation is empty.
        items: Slots in surface order.
    """
    tokens: list[Tok] = []
    parts: list[tuple[str, list[Tok]]] = []
    for slot, filler, deprel in items:
        if filler is None:
            continue
        inside = [filler] if isinstance(filler, Tok) else filler.tokens
        top = filler if isinstance(filler, Tok) else filler.head
        if deprel:
            top.deprel, top.head = deprel, head
        tokens += inside
        if parts and parts[-1][0] == slot:
            parts[-1] = (slot, parts[-1][1] + inside)
        else:
            parts.append((slot, inside))
    return Phrase(head, tokens, parts)


def sentence_of(phrase: Phrase, capital: Callable[[str], str]) -> Sentence:
    """Numbers the heads and spells the text; `capital` writes the first word of a sentence."""
    position = {id(token): place for place, token in enumerate(phrase.tokens, start=1)}
    words = []
    for place, token in enumerate(phrase.tokens, start=1):
        form = capital(token.form) if place == 1 else token.form
        head = 0 if token.head is None else position[id(token.head)]
        feats = "|".join(f"{name}={value}" for name, value in sorted(token.feats.items()))
        words.append(
            Word(form, token.upos, head, token.deprel, token.ner, token.lemma, feats, space_after=not token.glued)
        )
    text = "".join(word.form + (" " if word.space_after else "") for word in words)
    return Sentence(tuple(words), text.rstrip(" "))
