"""Columns of a hub's dataset to the parts of an example: by their usual names, or as the user says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from babelscope.corpora.spacing import spaced
from babelscope.data.examples import Answer, Content, Question, Sentence, TextPair, Word
from babelscope.data.texts import whole_number

Row = Mapping[str, Any]

KINDS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "question": {
        "context": ("context",),
        "question": ("question",),
        "answers": ("answers",),
    },
    "translation": {"translation": ("translation",)},
    "sentence": {
        "words": ("tokens", "words"),
        "raw": ("text",),
        "upos": ("upos", "pos_tags"),
        "head": ("head",),
        "deprel": ("deprel",),
        "ner": ("ner_tags", "ner", "tags"),
        "lemma": ("lemmas", "lemma"),
        "feats": ("feats",),
    },
    "pair": {
        "premise": ("premise", "sentence1"),
        "hypothesis": ("hypothesis", "sentence2"),
        "label": ("label", "gold_label"),
    },
    "text": {"text": ("text", "sentence", "content")},
}
"""Parts of each kind of example, with the usual names of their columns; kinds in the order in which they are tried."""
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "question": ("context", "question", "answers"),
    "translation": ("translation",),
    "sentence": ("words",),
    "pair": ("premise", "hypothesis"),
    "text": ("text",),
}
_NOTHING: Final = ("", "_", "None")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold which parts.

    Attributes:
        kind: A key of `KINDS`.
        parts: Column by part.
        names: Names of the classes of columns that store classes as numbers, by column.
    """

    kind: str
    parts: Mapping[str, str]
    names: Mapping[str, Sequence[str]]

    def contents(self, row: Row, paragraph: Callable[[str], int]) -> Iterator[tuple[str, Content]]:
        """Yields language (empty where the row's columns do not tell it) and content of a row's examples.

        Args:
            row: Values by column.
            paragraph: Number of the paragraph with a context.

        Raises:
            ValueError: A value is not what its part asks for; the message names the column.
        """
        match self.kind:
            case "question":
                context = self._text(row, "context")
                question = self._text(row, "question")
                yield "", Question(context, question, tuple(self._answers(row)), paragraph(context))
            case "translation":
                texts = row[self.parts["translation"]]
                if not isinstance(texts, Mapping) or not all(isinstance(text, str) for text in texts.values()):
                    raise self._wrong("translation", "a text for each language", texts)
                yield from sorted(texts.items())
            case "sentence":
                yield "", self._sentence(row)
            case "pair":
                label = self._label(row[self.parts["label"]], self.parts["label"]) if "label" in self.parts else ""
                yield "", TextPair(self._text(row, "premise"), self._text(row, "hypothesis"), label)
            case _:
                yield "", self._text(row, "text")

    def _text(self, row: Row, part: str) -> str:
        value = row[self.parts[part]]
        if not isinstance(value, str):
            raise self._wrong(part, "a text", value)
        return value

    def _answers(self, row: Row) -> Iterator[Answer]:
        """Answers as lists of texts and of starts, or as a list of both."""
        value = row[self.parts["answers"]]
        try:
            if isinstance(value, Mapping):
                pairs = list(zip(value["text"], value["answer_start"], strict=True))
            else:
                pairs = [(one["text"], one["answer_start"]) for one in value]
        except (KeyError, TypeError, ValueError):
            raise self._wrong("answers", "`text` and `answer_start`", value) from None
        for text, start in pairs:
            if not isinstance(text, str) or not isinstance(start, int):
                raise self._wrong("answers", "texts with whole numbers", value)
            yield Answer(text, start)

    def _sentence(self, row: Row) -> Sentence:
        forms = self._list(row, "words", None)
        if not all(form.strip() for form in forms or [""]):
            raise self._wrong("words", "at least one word, and none that is empty", forms)
        values = {part: self._list(row, part, len(forms)) for part in KINDS["sentence"] if part not in ("words", "raw")}
        words = tuple(
            Word(
                form,
                upos=values["upos"][i],
                head=self._head(values["head"][i]),
                deprel=values["deprel"][i],
                ner=values["ner"][i],
                lemma=values["lemma"][i] if form == "_" or values["lemma"][i] != "_" else "",
                feats=values["feats"][i],
            )
            for i, form in enumerate(forms)
        )
        raw = self._text(row, "raw") if "raw" in self.parts else " ".join(forms)
        return Sentence(spaced(words, raw), raw)

    def _list(self, row: Row, part: str, length: int | None) -> list[str]:
        """One text a word; empty ones where the dataset has no such part."""
        column = self.parts.get(part)
        if column is None:
            return [""] * (length or 0)
        value = row[column]
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise self._wrong(part, "one value a word" if length is not None else "a list of words", value)
        found = [self._label(one, column) for one in value]
        keep = part in ("words", "lemma")
        return [one if keep or one not in _NOTHING else "" for one in found]

    def _head(self, value: str) -> int | None:
        if not value:
            return None
        head = whole_number(value)
        if head is None:
            raise self._wrong("head", "positions from 1, 0 for the root", value)
        return head

    def _label(self, value: Any, column: str) -> str:
        """A value as text: a class by its name; nothing where it is unknown, which is stored as -1.

        Raises:
            ValueError: It is neither text nor a number, as dates that the hub's package makes of texts like dates.
        """
        names = self.names.get(column)
        value = plain_number(value)
        if not isinstance(value, str | int | float | None):
            kind = type(value).__name__
            raise ValueError(f"Expected texts or numbers in column {column!r}, but got a {kind}, {str(value)[:80]!r}")
        if names is not None and isinstance(value, int):
            return names[value] if 0 <= value < len(names) else ""
        return "" if value is None else str(value)

    def _wrong(self, part: str, wanted: str, value: object) -> ValueError:
        return ValueError(f"Expected {wanted} in column {self.parts[part]!r}, but got {str(value)[:80]!r}")


def plain_number(value: Any) -> Any:
    """A value, a whole number as one: a column with gaps may hold 2 as 2.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def find_columns(available: Sequence[str], names: Mapping[str, Sequence[str]], asked: str) -> Columns:
    """Which columns hold which parts.

    Args:
        available: Columns of the dataset.
        names: Names of the classes of columns that store classes as numbers, by column.
        asked: A column that holds running text; or `PART=COLUMN,PART=COLUMN`, which go before the usual names; or
            nothing.

    Raises:
        ValueError: A part or a column is not known, or the columns are those of no kind.
    """
    told = dict(_told(asked, available))
    kinds = [kind for kind, parts in KINDS.items() if set(told) <= set(parts)]
    if not kinds:
        raise ValueError(f"Expected parts of one kind of example ({_kinds()}), but got {', '.join(told)}")
    for kind in kinds:
        usual = {
            part: next((column for column in columns if column in available), None)
            for part, columns in KINDS[kind].items()
        }
        parts = {part: column for part, column in {**usual, **told}.items() if column is not None}
        if all(part in parts for part in NEEDED[kind]):
            return Columns(kind, parts, names)
    raise ValueError(
        f"Expected columns of {_kinds(kinds)}, but got {', '.join(available)}: name them as PART=COLUMN,PART=COLUMN"
    )


def _told(asked: str, available: Sequence[str]) -> Iterator[tuple[str, str]]:
    known = {part for parts in KINDS.values() for part in parts}
    for item in asked.split(",") if asked else ():
        part, equals, column = item.partition("=")
        if not equals:
            part, column = "text", item
        if part not in known:
            raise ValueError(f"Expected a part among {', '.join(sorted(known))}, but got {part!r}")
        if column not in available:
            raise ValueError(f"Expected a column among {', '.join(available)}, but got {column!r}")
        yield part, column


def _kinds(kinds: Sequence[str] = tuple(KINDS)) -> str:
    return "; ".join(f"{kind}: {', '.join(NEEDED[kind])}" for kind in kinds)
