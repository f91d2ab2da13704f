"""What readers give: labelled items with their id, as plain data. They mirror `Example` of text.proto."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DOCUMENT: Final = "document"
"""The attribute of an example that says which document of its file it is of, where the format knows documents."""


@dataclass(frozen=True, slots=True)
class Word:
    """A syntactic word.

    Attributes:
        form: Surface form.
        upos: Universal part of speech, empty where the source has none.
        head: Position of the head within the sentence, from 1; 0 is the root; None where the source has none.
        deprel: Relation to the head, UD v2, empty where the source has none.
        ner: Named-entity tag, BIO, empty where the source has none.
        lemma: Lemma, empty where the source has none.
        feats: Morphological features, `Name=Value|...`.
        space_after: False where no space follows the word in the raw sentence.
        xpos: Language-specific part of speech, empty where the source has none.
        deps: Enhanced dependencies, `HEAD:RELATION|...` with heads as in `head`, empty where the source has none.
        misc: What else the source says of the word, `Name=Value|...` without `SpaceAfter`.
    """

    form: str
    upos: str = ""
    head: int | None = None
    deprel: str = ""
    ner: str = ""
    lemma: str = ""
    feats: str = ""
    space_after: bool = True
    xpos: str = ""
    deps: str = ""
    misc: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in words.

    Attributes:
        words: The syntactic words in surface order: multi-word tokens are split, empty nodes left out.
        text: The raw sentence.
    """

    words: tuple[Word, ...]
    text: str


@dataclass(frozen=True, slots=True)
class TextPair:
    """A premise and a hypothesis with their label."""

    premise: str
    hypothesis: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of a context: `context[start : start + len(text)]` in code points."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a context; no answers where it cannot be answered.

    Attributes:
        context: The paragraph that holds the answers.
        question: The question.
        answers: Gold answers.
        paragraph: Position of the paragraph in its file, from 0: two paragraphs may read the same.
    """

    context: str
    question: str
    answers: tuple[Answer, ...] = ()
    paragraph: int = 0


Content = str | Sentence | TextPair | Question


@dataclass(frozen=True, slots=True)
class Example:
    """One item of a corpus. Items of parallel corpora share their id.

    Attributes:
        id: Unique within its corpus.
        content: Running text, or what the format holds.
        language: BCP 47 language tag, empty where not known.
        line: Line of the file on which the item starts, from 1; 0 where the format has no lines.
        attributes: What else is known, by name: `split`, `domain`, `document`, `origin` (the id that this one was
            made from), `comments` (a sentence's comment lines in its file).
    """

    id: str
    content: Content
    language: str = ""
    line: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
