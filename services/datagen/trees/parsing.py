"""Raw text to dependency trees, through one interface, for transforms that need trees.

CoNLL-U examples bring their trees and need no parser. For raw text there is one back end so far, Stanza (UD v2 labels,
character offsets for every word; extra `parsing`). It is imported when it is first asked for, and reads its models from
the folder that `STANZA_RESOURCES_DIR` names: a server downloads nothing by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from babelscope.data.examples import Sentence, Word
from babelscope.data.languages import read_tag

from services.runtime.errors import FailedPrecondition, InvalidArgument


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed sentence within a text.

    Attributes:
        sentence: Its words with heads, and its own text: `text[start:end]`.
        start: Start of the sentence within the text, in code points.
        end: End of the sentence within the text.
        spans: For each word where its surface token lies in the text; the words of a multi-word token share one.
    """

    sentence: Sentence
    start: int
    end: int
    spans: tuple[tuple[int, int], ...]


class Parser(Protocol):
    """Parses raw text."""

    def parse(self, text: str, language: str) -> Sequence[Parsed]:
        """The sentences of a text, in order; what lies between them is white space.

        Raises:
            FailedPrecondition: There is no model for the language.
        """


_CODES = {("fil", "Latn"): "tl", ("zh", "Hant"): "zh-hant"}
"""Stanza's name of a language in a script where it is not the canonical one; its `zh` is simplified Chinese."""


class StanzaParser:
    """Stanza (Qi et al. 2020) with its own pretrained models, one pipeline a language, kept once loaded."""

    def __init__(self) -> None:
        try:
            import stanza
        except ModuleNotFoundError as error:
            raise FailedPrecondition(
                "parser stanza",
                "Expected the package stanza, but it is not installed: it comes with extra `parsing`",
            ) from error
        self._stanza = stanza
        self._pipelines: dict[str, Any] = {}

    def parse(self, text: str, language: str) -> Sequence[Parsed]:
        """The sentences of a text.

        Raises:
            FailedPrecondition: The folder of models has none for the language.
        """
        meant = read_tag(language)
        code = _CODES.get((meant.language, meant.script), meant.language)
        if code not in self._pipelines:
            self._pipelines[code] = self._load(code)
        return from_stanza(self._pipelines[code](text), text)

    def _load(self, code: str) -> Any:
        common = {"download_method": None, "verbose": False}
        try:
            try:
                return self._stanza.Pipeline(code, processors="tokenize,mwt,pos,lemma,depparse", **common)
            except (KeyError, ValueError):  # languages without multi-word tokens have no such processor
                return self._stanza.Pipeline(code, processors="tokenize,pos,lemma,depparse", **common)
        except Exception as error:  # Stanza's errors for a missing model differ by version and share no base
            raise FailedPrecondition(
                "parser stanza",
                f"Expected a model for language {code!r} in STANZA_RESOURCES_DIR, but none can be loaded",
            ) from error


def from_stanza(document: Any, text: str) -> list[Parsed]:
    """Turns Stanza's document into sentences with offsets into `text`."""
    parsed = []
    for source in document.sentences:
        words: list[Word] = []
        spans: list[tuple[int, int]] = []
        for token in source.tokens:
            span = (int(token.start_char), int(token.end_char))
            for word in token.words:
                last = word is token.words[-1]
                words.append(
                    Word(
                        form=word.text,
                        upos=word.upos or "",
                        head=word.head,
                        deprel=word.deprel or "",
                        lemma=word.lemma or "",
                        feats=word.feats or "",
                        space_after=not last or text[span[1] : span[1] + 1].isspace() or span[1] == len(text),
                    )
                )
                spans.append(span)
        if words:
            start, end = spans[0][0], spans[-1][1]
            parsed.append(Parsed(Sentence(tuple(words), text[start:end]), start, end, tuple(spans)))
    return parsed


PARSERS: dict[str, Callable[[], Parser]] = {"stanza": StanzaParser}


def parser_of(name: str) -> Parser:
    """A parser by name.

    Raises:
        InvalidArgument: There is none by that name.
        FailedPrecondition: Its package is not installed.
    """
    if name not in PARSERS:
        raise InvalidArgument("parser", f"Expected one of {', '.join(PARSERS)}, but got {name!r}")
    return PARSERS[name]()
