"""Retrieval of words by a bilingual dictionary, with its coverage (Liu et al. 2020, section 3; Conneau et al. 2018)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from babelscope.calls.corpus.word_means import WordMeans
from babelscope.calls.maps import FittedMap
from babelscope.calls.views import View
from babelscope.corpora import WordPairs, as_words, read_texts, read_word_pairs, read_words
from babelscope.data.comparison import Comparison, Estimate
from babelscope.data.models import Intervention, Model
from babelscope.data.texts import Text
from babelscope.errors import StudyError
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.result import ModelUse, Row
from babelscope.study.sections import word_maps
from babelscope.study.sections.base import Asked, Cells, Found, Section, Services, ShowProgress, Task
from babelscope.study.sections.word_maps import WordMap
from babelscope.study.texts import digest
from babelscope.study.values import get, layers, need, one_or_more

_METRICS: Final = ("p@1", "p@5", "p@10", "mrr")
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class WordsDesign:
    """What is asked.

    Attributes:
        source: Language of the dictionary's first column.
        dictionaries: File by language of the second column.
        candidates: Vocabulary by target language, a word a line; the dictionary's own words where empty.
        contexts: Corpus by language in which words are looked for, so that each is the mean over all its occurrences;
            none where words are encoded by themselves.
        words: Largest number of source words, the first of the file; 0 for all.
        similarities: `cosine`, `csls`.
        centre: Whether each language's mean is subtracted first.
        layers: Layers; those of the study where None.
        map: How a map is fitted on some of the words and measured on the others; None for words as they are.
        embedding_table: Whether words are rows of the model's word embedding table, those of one piece alone.
    """

    source: str
    dictionaries: Mapping[str, Path]
    candidates: Mapping[str, Path]
    contexts: Mapping[str, Path] = field(default_factory=dict)
    words: int = 0
    similarities: tuple[str, ...] = ("cosine", "csls")
    centre: bool = False
    layers: tuple[int, ...] | None = None
    map: WordMap | None = None
    embedding_table: bool = False


@dataclass(frozen=True, slots=True)
class WordsFound:
    """The words of one dictionary through one model.

    Attributes:
        dictionary: Name of its file.
        source: Language of its first column.
        target: Language of its second column.
        model: Name of the model used.
        pairs: Pairs asked for.
        sources: Unique source words among them.
        covered: Number of source words with at least one translation among the candidates.
        lacking: Some of the others.
        candidates: Words among which a translation is looked for.
        rows: P@k and MRR by layer, from the source's words to the target's and back.
        contexts: Whether a word is the mean over all its occurrences in a corpus.
        embedding_table: Whether a word is its row of the word embedding table.
        left_out: Words of the dictionary, of both languages, that are not one piece and have no such row.
    """

    dictionary: str
    source: str
    target: str
    model: str
    pairs: int
    sources: int
    covered: int
    lacking: tuple[str, ...]
    candidates: int
    rows: tuple[Row, ...]
    contexts: bool = False
    embedding_table: bool = False
    left_out: int = 0


def read(node: Node, study: Study) -> tuple[WordsDesign, ...]:
    """The section of a study file: dictionaries of one source language, or a list of such."""
    return one_or_more(node, lambda item: _read(item, study))


def _read(node: Node, study: Study) -> WordsDesign:
    keys = node.mapping(
        "dictionary", "source", "targets", "candidates", "contexts", "words", "similarities", "centre", "layers",
        "map", "embedding_table",
    )  # fmt: skip
    dictionary = need(node, keys, "dictionary")
    targets = need(node, keys, "targets").unique(Node.text)
    if len(targets) > 1 and "{language}" not in dictionary.text():
        dictionary.fail("`{language}` in the path of several dictionaries")
    source = get(keys, "source", Node.text, study.sources[0])
    if get(keys, "embedding_table", Node.boolean, False):
        if "contexts" in keys:
            keys["contexts"].fail("no contexts of words that are rows of the `embedding_table`")
        if "layers" in keys and layers(keys["layers"]) != (0,):
            keys["layers"].fail("layer 0 alone, as which rows of the `embedding_table` are answered")
    return WordsDesign(
        source=source,
        dictionaries={target: corpus_path(dictionary, target) for target in targets},
        candidates=get(keys, "candidates", lambda item: {each: corpus_path(item, each) for each in targets}, {}),
        contexts=get(keys, "contexts", lambda item: {each: corpus_path(item, each) for each in (source, *targets)}, {}),
        words=get(keys, "words", lambda item: item.integer(1), 0),
        similarities=get(
            keys, "similarities", lambda item: item.unique(lambda one: one.choice("cosine", "csls")), ("cosine", "csls")
        ),
        centre=get(keys, "centre", Node.boolean, False),
        layers=get(keys, "layers", layers, None),
        map=get(keys, "map", word_maps.read, None),
        embedding_table=get(keys, "embedding_table", Node.boolean, False),
    )


def plan(designs: tuple[WordsDesign, ...], asked: Asked) -> list[Task]:
    """A request for every dictionary and model."""
    tasks = []
    for design in designs:
        for target, path in design.dictionaries.items():
            pairs = _first(read_word_pairs(path), design.words)
            words = read_words(design.candidates[target]) if target in design.candidates else as_words(pairs.targets)
            tasks += [_task(design, target, pairs, words, use=use, asked=asked) for use in asked.models]
    return tasks


def _first(pairs: WordPairs, words: int) -> WordPairs:
    """The pairs of the first source words."""
    if not words:
        return pairs
    wanted = set(pairs.sources[:words])
    return WordPairs(tuple(pair for pair in pairs.pairs if pair[0] in wanted))


def _task(
    design: WordsDesign, target: str, pairs: WordPairs, words: Sequence[Text], *, use: ModelUse, asked: Asked
) -> Task:
    chosen = (0,) if design.embedding_table else design.layers or asked.study.layers
    asked.check_layers("words.layers", chosen, use)
    name, fitted = design.dictionaries[target].name, WordPairs(())
    # The same word may be there in both languages, and so may the language: sides are named by their place.
    sides = {"source": as_words(pairs.sources), "target": list(words)}
    languages = {"source": design.source, "target": target}
    if design.map is not None:
        name = f"{name}, mapped by {design.map.method}"
        fitted, pairs = word_maps.split(pairs, design.map.holdout)
    contexts = {side: file_digest(design.contexts[language]) for side, language in languages.items() if design.contexts}

    def depends(found: Found) -> dict[str, Any]:
        del found
        return {
            **asked.encoded([use], ()), "languages": languages, "pairs": pairs.pairs, "candidates": digest(words),
            "similarities": design.similarities, "centre": design.centre, "layers": chosen, "dictionary": name,
            **({"contexts": contexts} if contexts else {}),
            **({"embedding_table": True} if design.embedding_table else {}),
            **({} if design.map is None else {"map": asdict(design.map), "fitted": fitted.pairs}),
        }  # fmt: skip

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[WordsFound]:
        del found
        common: dict[str, Any] = {
            "pooling": asked.study.pooling, "overflow": asked.study.overflow, "progress": show, **asked.study.computed,
        }  # fmt: skip

        def encoded(at: tuple[int, ...] | None, edits: Mapping[str, tuple[Intervention, ...]]) -> dict[str, View]:
            settings = _Encoding(use, asked, at, show, design.embedding_table)
            return {
                side: settings.view(mesh, texts, languages[side], design.contexts, edits.get(side, ()))
                for side, texts in sides.items()
            }

        def retrieved(views: Mapping[str, View], at: tuple[int, ...] | None) -> Comparison:
            answer: Comparison = mesh.metrics.retrieve(
                views, design.similarities, [("source", "target")], gold=pairs.pairs, centre=design.centre, layers=at,
                **common,
            )  # fmt: skip
            return answer

        views = encoded(chosen, {})
        if design.map is None:
            answer = retrieved(views, chosen)
            estimates = list(answer.estimates)
        else:
            maps: dict[int, FittedMap] = mesh.metrics.fit_map(
                views["source"], views["target"], design.map.method, options=design.map.options,
                seeds=word_maps.known(fitted, views["source"], views["target"]), layers=chosen, **common,
            )  # fmt: skip
            estimates = []
            for layer, each in sorted(maps.items()):
                answer = retrieved(encoded((layer,), word_maps.edits(each, design.map)), (layer,))
                estimates += answer.estimates
        rows = [_row(each, languages, use, asked.study, design) for each in estimates]
        report = next(each for each in answer.pairs if each.left == "source")
        return [
            WordsFound(
                dictionary=name, source=design.source, target=target, model=use.used, pairs=len(pairs.pairs),
                sources=report.gold_sources, covered=report.covered_sources,
                lacking=tuple(report.examples[:_EXAMPLES]), candidates=_size(views["target"]),
                contexts=bool(design.contexts), embedding_table=design.embedding_table,
                left_out=sum(len(texts) - _size(views[side]) for side, texts in sides.items())
                if design.embedding_table else 0,
                rows=tuple(sorted(rows, key=lambda row: _order(row, design))),
            )
        ]  # fmt: skip

    return Task(f"words of {name}, {design.source} to {target}, {use.used}", depends, ask)


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How words become rows, by themselves or in their contexts."""

    use: ModelUse
    asked: Asked
    layers: tuple[int, ...] | None
    show: ShowProgress | None
    embedding_table: bool

    def view(
        self,
        mesh: Services,
        words: Sequence[Text],
        language: str,
        contexts: Mapping[str, Path],
        more: tuple[Intervention, ...],
    ) -> View:
        """The words of a language, `more` edits after the study's own."""
        model = Model(self.use.used, self.use.revision)
        if self.embedding_table:
            return self._table(mesh, words, language, model, more)
        edits, corpus = (*self.asked.edits(self.use, language), *more), contexts.get(language)
        if corpus is None:
            return View(texts=words, model=model, interventions=edits, language=language)
        found: WordMeans = mesh.encoder.encode_words(
            read_texts(corpus, language=language), words=[word.text for word in words], ignore_case=True,
            language=language, model=model, layers=self.layers, overflow=self.asked.study.overflow, interventions=edits,
            progress=self.show, **self.asked.study.computed,
        )  # fmt: skip
        if not found.words:
            raise StudyError(f"{corpus}: Expected words of the dictionary, but the corpus of {language} has none")
        return found.view(language)

    def _table(
        self, mesh: Services, words: Sequence[Text], language: str, model: Model, edits: Sequence[Intervention]
    ) -> View:
        """The words that are one piece, by their rows of the embedding table.

        The study's own interventions are of hidden states, which these rows are not.
        """
        found: WordMeans = mesh.encoder.encode_words(
            words=[word.text for word in words], embedding_table=True, language=language, model=model,
            interventions=edits, **self.asked.study.computed,
        )  # fmt: skip
        if not found.words:
            raise StudyError(
                f"Expected words of {language} that are one piece of the tokenizer of {model.name}, but none is"
            )
        return found.view(language)


def _size(view: View) -> int:
    """Rows of a view."""
    return len(view.ids) if view.ids is not None else len(view.texts or ())


def _row(each: Estimate, languages: Mapping[str, str], use: ModelUse, study: Study, design: WordsDesign) -> Row:
    return Row(
        kind="words", metric=each.metric, estimator=each.estimator, model=use.used, reinit="",
        pooling="embedding_table" if design.embedding_table else study.pooling,
        source=languages[each.left], target=languages[each.right], layer=each.left_layer, value=each.value,
        low=each.low, high=each.high, n=each.n, null_mean=each.null_mean, null_sd=each.null_sd, p=each.p, q=each.q,
        centred=design.centre, signature=each.signature, warnings=tuple(each.warnings),
    )  # fmt: skip


def _order(row: Row, design: WordsDesign) -> tuple[int, str, str, bool, int]:
    rank = _METRICS.index(row.metric) if row.metric in _METRICS else len(_METRICS)
    return rank, row.metric, row.estimator, row.source != design.source, row.layer


def cells(found: WordsFound) -> Iterable[Cells]:
    """A line a row, and one for the coverage."""
    common = {"kind": "words", "model": found.model, "source": found.source, "target": found.target}
    yield {**common, "metric": "coverage", "estimator": found.dictionary, "value": found.covered / found.sources,
           "n": found.sources}  # fmt: skip
    for row in found.rows:
        yield {
            **common, "metric": row.metric, "estimator": f"{row.estimator}{'+centred' if row.centred else ''}",
            "pooling": row.pooling, "source": row.source, "target": row.target, "layer": row.layer,
            "value": row.value, "low": row.low, "high": row.high, "n": row.n, "signature": row.signature,
        }  # fmt: skip


SECTION = Section("words", WordsFound, read, plan, cells)
