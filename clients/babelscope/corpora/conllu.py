"""CoNLL-U (universaldependencies.org/format.html): ten columns, ids from `# sent_id`, raw text from `# text`."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from babelscope.corpora.blocks import LineBlock, attributes, read_blocks, sentence_id
from babelscope.corpora.options import Options
from babelscope.corpora.spacing import spaces_after
from babelscope.data.examples import Example, Sentence, Word
from babelscope.data.texts import whole_number
from babelscope.errors import CorpusError

COLUMNS = 10
NO_SPACE = "SpaceAfter=No"
_GLOBAL = "global.columns"
_COLUMNS = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"
_WITH_BLANKS = (1, 2)
"""Columns of which blanks at the ends are part: the form and the lemma."""
_WORD = re.compile(r"[1-9][0-9]{0,8}")
_MULTIWORD = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})")
_EMPTY_NODE = re.compile(r"[0-9]+\.[1-9][0-9]*")
_EMPTY_HEAD = re.compile(r"[0-9]+\.[0-9]+:")


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a sentence, with its words.

    Multi-word tokens (`3-4`) and empty nodes (`3.1`) are no words; a space follows the last word of a multi-word token
    where one follows the token. The raw text is `# text`, never `# text_en`; where it spells the words, or the surface
    tokens, it tells the spaces after them too. Where a sentence has none it is put together from the tokens and
    `SpaceAfter`. Other comments are the example's attribute `comments`. Blanks at the ends of a column belong to it in
    forms and lemmas only.

    Raises:
        CorpusError: The file cannot be read, or a line does not follow the format.
    """
    for position, block in enumerate(read_blocks(path), start=1):
        if (columns := block.comments.get(_GLOBAL, _COLUMNS).split()) != _COLUMNS.split():
            problem = f"Expected the columns {_COLUMNS}, but # {_GLOBAL} says {' '.join(columns)[:200]}"
            raise CorpusError(path, block.line, problem)
        sentence = _Sentence(path, block)
        words, surface = sentence.words(), sentence.surface
        text = block.comments.get("text") or surface
        words = sentence.spaced(words, text)
        name = sentence_id(block, position)
        yield Example(name, Sentence(words, text), options.language, block.line, attributes(block))


@dataclass(frozen=True, slots=True)
class _Token:
    """A multi-word token over the words `first` to `last`, counted from 1."""

    first: int
    last: int
    space_after: bool


class _Sentence:
    """The rows of a sentence.

    Attributes:
        surface: The raw text as the surface tokens and their `SpaceAfter` spell it; set by `words`.
        tokens: Each surface token with the number of its last word; set by `words`.
    """

    def __init__(self, path: Path, block: LineBlock) -> None:
        self._path, self._block = path, block
        self.surface = ""
        self.tokens: list[tuple[str, int]] = []

    def words(self) -> tuple[Word, ...]:
        """The words in order.

        Raises:
            CorpusError: A line does not follow the format.
        """
        words: list[Word] = []
        surface: list[str] = []
        token = _Token(0, 0, True)
        for number, written in self._block.rows:
            fields = [value if at in _WITH_BLANKS else value.strip() for at, value in enumerate(written)]
            if len(fields) != COLUMNS:
                raise CorpusError(self._path, number, f"Expected {COLUMNS} columns, but got {len(fields)}")
            name, form = fields[0], fields[1]
            if not form.strip():
                raise CorpusError(self._path, number, "Expected a form, but got an empty one")
            space = not _no_space(fields[9])
            if _WORD.fullmatch(name):
                if int(name) != len(words) + 1:
                    raise CorpusError(self._path, number, f"Expected word {len(words) + 1}, but got {name}")
                inside = int(name) <= token.last
                last = int(name) == token.last
                words.append(_word(self._path, number, fields, token.space_after if last else space))
                if inside:
                    continue
            elif span := _MULTIWORD.fullmatch(name):
                before, token = token, _Token(int(span[1]), int(span[2]), space)
                self._check(number, token, before, len(words))
            elif _EMPTY_NODE.fullmatch(name):
                continue
            else:
                raise CorpusError(self._path, number, f"Expected an id such as 3, 3-4 or 3.1, but got {name!r}")
            surface.append(form + " " * space)
            self.tokens.append((form, int(name.rpartition("-")[2])))
        if not words:
            raise CorpusError(self._path, self._block.line, "Expected a sentence of at least one word, but got none")
        if token.last > len(words):
            problem = f"Expected words up to {token.last} of {token.first}-{token.last}, but the last is {len(words)}"
            raise CorpusError(self._path, self._block.line, problem)
        self.surface = "".join(surface).rstrip(" ")
        return tuple(words)

    def spaced(self, words: tuple[Word, ...], text: str) -> tuple[Word, ...]:
        """The words with the spaces between them that a raw text has, where it spells them or the surface tokens.

        Treebanks without a `SpaceAfter` have their spaces in `# text` alone. The last word keeps its own.
        """
        each = [(word.form, place) for place, word in enumerate(words, start=1)]
        for spelled in (each, self.tokens):
            spaces = spaces_after([form for form, _ in spelled], text)
            if spaces is not None:
                told = {last: space for (_, last), space in zip(spelled[:-1], spaces, strict=False)}
                return tuple(
                    replace(word, space_after=not word.space_after)
                    if told.get(place, word.space_after) != word.space_after
                    else word
                    for place, word in enumerate(words, start=1)
                )
        return words

    def _check(self, number: int, token: _Token, before: _Token, words: int) -> None:
        """Checks a multi-word token: its range rises, is apart from the one before, and starts at the next word."""
        name = f"{token.first}-{token.last}"
        if token.last < token.first:
            raise CorpusError(self._path, number, f"Expected a range that rises, but got {name}")
        if token.first <= before.last:
            problem = f"Expected ranges that do not overlap, but got {name} after {before.first}-{before.last}"
            raise CorpusError(self._path, number, problem)
        if token.first != words + 1:
            problem = f"Expected a range right before its first word, {words + 1}, but got {name}"
            raise CorpusError(self._path, number, problem)


def _word(path: Path, number: int, fields: Sequence[str], space_after: bool) -> Word:
    head = whole_number(fields[6])
    if fields[6] != "_" and head is None:
        raise CorpusError(path, number, f"Expected a number or _ as HEAD, but got {fields[6][:80]!r}")
    return Word(
        form=fields[1],
        upos=_value(fields[3]),
        head=head,
        deprel=_value(fields[7]),
        lemma=fields[2] if fields[2] != "_" or fields[1] == "_" else "",
        feats=_value(fields[5]),
        space_after=space_after,
        xpos=_value(fields[4]),
        deps=_parts(fields[8], lambda part: not _EMPTY_HEAD.match(part)),
        misc=_parts(fields[9], lambda part: part.strip() != NO_SPACE),
    )


def _value(field: str) -> str:
    return "" if field == "_" else field


def _parts(field: str, keep: Callable[[str], bool]) -> str:
    """The parts of a field that are kept: without empty nodes as heads, without what says of spaces."""
    return "|".join(part for part in _value(field).split("|") if part and keep(part))


def _no_space(misc: str) -> bool:
    return any(part.strip() == NO_SPACE for part in misc.split("|"))
