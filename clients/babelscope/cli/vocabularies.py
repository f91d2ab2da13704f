"""The options of a dictionary whose words are retrieved, and the rows of its two vocabularies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from babelscope.calls.views import View
from babelscope.cli.console import note
from babelscope.cli.interventions import EditOptions
from babelscope.cli.options import read_named
from babelscope.corpora import WordPairs, as_words, read_texts, read_word_vectors, read_words
from babelscope.corpora.word_vectors import holds_vectors
from babelscope.data.activations import ShowProgress
from babelscope.data.models import Intervention
from babelscope.data.texts import Text

_POOLINGS: Final = {"mean": "word_mean", "word_mean": "word_mean", "word_first": "word_first"}
"""Pooling of a word of a corpus by that of the options, whose default is `mean`."""


@dataclass(frozen=True, slots=True)
class Side:
    """The vocabulary of one language, and where its rows come from.

    Attributes:
        language: Its tag.
        words: Words encoded by themselves or looked for in the corpus.
        given: Rows that are at hand; None where words are encoded.
        corpus: Texts in which words are looked for; None where they are encoded by themselves.
        match_case: Whether words of the corpus must have the case of the vocabulary.
        edits: Edits of hidden states.
        embedding_table: Whether words are rows of the model's word embedding table.
    """

    language: str
    words: tuple[Text, ...] = ()
    given: View | None = None
    corpus: tuple[Text, ...] | None = None
    match_case: bool = False
    edits: tuple[Intervention, ...] = ()
    embedding_table: bool = False

    @property
    def encoded(self) -> bool:
        """Whether a model is needed."""
        return self.given is None

    def view(self, mesh: Any, settings: dict[str, Any], progress: ShowProgress) -> View:
        """Its rows.

        Args:
            mesh: Clients; that of the encoder is asked for only where a model is needed.
            settings: How words are encoded.
            progress: Called as the work goes on.
        """
        if self.given is not None:
            return self.given
        if self.embedding_table:
            return self._table(mesh.encoder, settings)
        if self.corpus is None:
            return View(texts=self.words, interventions=self.edits, language=self.language)
        pooling = _POOLINGS[settings["pooling"]]
        found = mesh.encoder.encode_words(
            self.corpus,
            words=[word.text for word in self.words],
            ignore_case=not self.match_case,
            language=self.language,
            progress=progress,
            **{**settings, "pooling": pooling, "interventions": self.edits},
        )
        note(
            f"{self.language}: {len(found.words)} of {len(self.words)} words are in the corpus, "
            f"{int(found.counts.sum())} times in all"
        )
        if found.truncated:
            note(f"{self.language}: {found.truncated} texts were cut to what the model takes")
        if found.empty_rows:
            note(f"{self.language}: {found.empty_rows} occurrences of words without pieces are left out")
        if not found.words:
            raise typer.BadParameter(f"Expected words of the vocabulary in the corpus of {self.language}, but got none")
        rows: View = found.view(self.language)
        return rows

    def _table(self, encoder: Any, settings: dict[str, Any]) -> View:
        """The words that are one piece, by their rows of the embedding table."""
        found = encoder.encode_words(
            words=[word.text for word in self.words],
            embedding_table=True,
            language=self.language,
            **{**settings, "pooling": "word_mean", "interventions": self.edits},
        )
        note(f"{self.language}: {len(found.words)} of {len(self.words)} words are one piece of the model's tokenizer")
        if not found.words:
            raise typer.BadParameter(
                f"Expected words of {self.language} that are one piece of the model's tokenizer, but none is"
            )
        rows: View = found.view(self.language)
        return rows


@dataclass(frozen=True, slots=True)
class DictionaryOptions:
    """A dictionary whose words are retrieved in place of sentences."""

    gold: Annotated[
        Path | None,
        typer.Option("--gold", metavar="FILE", help="Dictionary of word pairs: words are retrieved, not sentences."),
    ] = None
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words",
            metavar="LANGUAGE[=FILE]",
            help="Source and then target language of --gold. FILE is the vocabulary, one word a line, or fastText "
            "vectors (.vec), which `--map layer=0,map=FILE` moves; without it, the vocabulary is the dictionary's own "
            "words.",
        ),
    ] = None
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            "--corpus",
            metavar="LANGUAGE=FILE",
            help="Texts of a language of --gold: its words are means over all their contexts in it (with --pooling "
            "word_first, of their first pieces). Names source and target in place of --words; where only one of them "
            "has a corpus, name both by --words as well.",
        ),
    ] = None
    match_case: Annotated[
        bool,
        typer.Option("--match-case", help="Find words of --corpus only in the case that the vocabulary has them."),
    ] = False
    embedding_table: Annotated[
        bool,
        typer.Option(
            "--embedding-table",
            help="Words are rows of the model's word embedding table, those that are one piece of its tokenizer. "
            "Others are left out and counted.",
        ),
    ] = False
    max_words: Annotated[
        int, typer.Option("--max-words", min=0, help="Number of words of a vocabulary; all with 0.")
    ] = 0

    def sides(self, pairs: WordPairs, format: str | None, encode: EditOptions) -> list[Side]:  # noqa: A002
        """The vocabularies of the source and of the target language.

        Args:
            pairs: The dictionary.
            format: Format of the corpora; told from each file where None.
            encode: How words are encoded.
        """
        corpora = read_named(self.corpus or [], "--corpus")
        if corpora and encode.pooling not in _POOLINGS:
            raise typer.BadParameter(
                f"Expected --pooling word_mean or word_first with --corpus, but got {encode.pooling}"
            )
        if self.embedding_table and corpora:
            raise typer.BadParameter("Expected either --embedding-table or --corpus, but got both")
        if self.embedding_table and encode.pooling not in _POOLINGS:
            raise typer.BadParameter(f"Expected no --pooling with --embedding-table, but got {encode.pooling}")
        if self.match_case and not corpora:
            raise typer.BadParameter("Expected --match-case only with --corpus, but got no corpus")
        parts = [value.partition("=") for value in self.words or []]
        files = {language: file for language, _, file in parts}
        languages = list(dict.fromkeys([*files, *corpora] if len(files) == 2 else [*corpora, *files]))
        if len(parts) == len(corpora) == 1 and len(languages) == 2:
            raise typer.BadParameter(
                "Expected both languages by --words, the dictionary's source first, where only one has a --corpus, "
                f"but got --words {parts[0][0]} and --corpus {next(iter(corpora))}, which leaves the source open"
            )
        if len(parts) != len(files) or len(languages) != 2 or not all(languages):
            shown = ", ".join([*(self.words or []), *(self.corpus or [])]) or "none"
            raise typer.BadParameter(
                "Expected --words LANGUAGE[=FILE] twice, for the dictionary's source and its target, or --corpus "
                f"LANGUAGE=FILE, but got {shown}"
            )
        vectors = {language for language, file in files.items() if file and holds_vectors(file)}
        edits = encode.edits(languages, vectors)
        sides = [
            self._given(language, files[language], corpora.get(language), encode)
            if language in vectors
            else self._side(language, files.get(language, ""), corpora.get(language), own, format, edits[language])
            for language, own in zip(languages, (pairs.sources, pairs.targets), strict=True)
        ]
        if self.embedding_table and not any(side.encoded for side in sides):
            raise typer.BadParameter(
                "Expected --embedding-table only with words of a model, but both sides are vectors"
            )
        return sides

    def _side(  # noqa: PLR0917 - one side of `sides`
        self,
        language: str,
        file: str,
        corpus: str | None,
        own: Sequence[str],
        format: str | None,  # noqa: A002
        edits: Sequence[Intervention],
    ) -> Side:
        limit = self.max_words
        words = read_words(file, language=language, limit=limit) if file else as_words(own[: limit or None], language)
        texts = None if corpus is None else tuple(read_texts(corpus, format=format, language=language))
        table = self.embedding_table
        return Side(language, tuple(words), None, texts, self.match_case, edits=tuple(edits), embedding_table=table)

    def _given(self, language: str, file: str, corpus: str | None, encode: EditOptions) -> Side:
        """The side of a file of vectors."""
        if corpus is not None:
            raise typer.BadParameter(f"Expected vectors or a corpus of {language}, but got both")
        read = read_word_vectors(file, limit=self.max_words)
        moved = encode.moved(read.vectors, language)
        return Side(language, given=View(activations=moved, ids=read.words, language=language))
