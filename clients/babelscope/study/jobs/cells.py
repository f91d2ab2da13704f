"""Grids of pretraining: settings, sizes of the corpus and seeds, read from YAML (Conneau, Wu et al. 2020, table 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

from babelscope.data.jobs.architecture import Architecture, Separation
from babelscope.study.jobs.grids import OPTIMISATION, Where, digest_of, read_where, typed
from babelscope.study.nodes import Node
from babelscope.study.paths import corpus_path, file_digest
from babelscope.study.values import get, need

KEYS: Final = (
    "text", "parallel", "dev", "dictionary", "settings", "sizes", "seeds", "only", "vocabulary", "model", "training",
    "together",
)  # fmt: skip
JOINT: Final = "joint"
PREFIXED: Final = "prefixed"
_VOCABULARIES: Final = (JOINT, "joined", PREFIXED)
_TRAINING: Final[Mapping[str, type]] = {**OPTIMISATION, "mask_rate": float, "language_exponent": float}
"""What all jobs of a grid share, as `PretrainOptions` has it."""


class CellName(NamedTuple):
    """What one pretraining of a grid is called: `no anchors/8000/0`."""

    setting: str
    size: int
    seed: int

    def __str__(self) -> str:
        """The name as `only` has it."""
        return f"{self.setting}/{self.size}/{self.seed}"


@dataclass(frozen=True, slots=True)
class CodeSwitching:
    """How much of the text takes words of another language.

    Attributes:
        probability: Probability that a word of the dictionary is replaced.
        cap: Largest share of a text's words that are replaced.
    """

    probability: float = 0.3
    cap: float = 0.15


@dataclass(frozen=True, slots=True)
class Setting:
    """What is not as in the default.

    Attributes:
        vocabulary: `joint`, one of all languages; `joined`, one of each that share what is spelled alike; `prefixed`,
            one of each that share nothing: no anchors.
        code_switch: Extra anchors by code-switching; None for none.
        separate_embeddings: Whether each language has embeddings and an output layer of its own.
        separate_layers: Number of blocks, from the first on, of which each language has its own.
        domain: Domain of the text of all languages but the source; the first where empty.
        window: Tokens of a stream; the longest input of the model where 0.
        untrained: Whether the model stays as it is drawn: what identical strings alone give.
    """

    vocabulary: str = JOINT
    code_switch: CodeSwitching | None = None
    separate_embeddings: bool = False
    separate_layers: int = 0
    domain: str = ""
    window: int = 0
    untrained: bool = False

    @property
    def separates(self) -> bool:
        """Whether languages have parameters of their own; random tokens are then of the stream's language."""
        return self.separate_embeddings or self.separate_layers > 0

    def architecture(self, plain: Architecture) -> Architecture:
        """The model of this setting."""
        if self.vocabulary == JOINT and not self.separates:
            return plain
        separation = Separation(
            embeddings=self.separate_embeddings,
            layers=self.separate_layers,
            softmax=self.separate_embeddings,
            prefixed=self.vocabulary == PREFIXED,
        )
        return replace(plain, separation=separation)


_ARCHITECTURE: Final = ("family", "layers", "hidden_size", "heads", "feed_forward", "max_tokens", "initializer_range")


@dataclass(frozen=True, slots=True)
class VocabularyDesign:
    """The vocabulary that is learnt from the text of each size.

    Attributes:
        size: Number of tokens; those of languages that have one each share it.
        kind: `wordpiece` or `bpe`.
    """

    size: int
    kind: str = "wordpiece"


@dataclass(frozen=True, slots=True)
class CellGrid:
    """A grid of pretraining.

    Attributes:
        text: Running text by domain and language; the first domain is that of the default.
        settings: What is changed, by name; the first is the one that the others are compared with.
        sizes: Number of texts of each language.
        seeds: Seeds of weights, order and masks.
        vocabulary: How a vocabulary is learnt.
        model: The model of the default.
        training: What all jobs share: see `babelscope.calls.pretraining.PretrainOptions`.
        only: Patterns of the names of cells that are run, `*/8000/0`; all where empty.
        parallel: Whether the text of the first domain is the same in all languages, item by item: then each item goes
            to one language alone.
        dev: Development text by language; the best model is that of the lowest perplexity in the source language.
        dictionary: Word pairs from the source to each other language, for code-switching.
        together: Number of jobs that are entered at once.
    """

    text: Mapping[str, Mapping[str, Where]]
    settings: Mapping[str, Setting]
    sizes: tuple[int, ...]
    vocabulary: VocabularyDesign
    seeds: tuple[int, ...] = (0,)
    model: Architecture = field(default_factory=Architecture)
    training: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    parallel: bool = False
    dev: Mapping[str, Where] = field(default_factory=dict)
    dictionary: Mapping[str, Path] = field(default_factory=dict)
    together: int = 1

    @property
    def domain(self) -> str:
        """Domain of the default."""
        return next(iter(self.text))

    @property
    def cells(self) -> tuple[CellName, ...]:
        """All cells, those of the first seed first, so that a run that is stopped has seen every setting."""
        return tuple(
            CellName(setting, size, seed) for seed in self.seeds for size in self.sizes for setting in self.settings
        )

    def chosen(self, cell: CellName) -> bool:
        """Whether a cell is to be run."""
        return not self.only or any(fnmatchcase(str(cell), pattern) for pattern in self.only)

    def depends(self, cell: CellName, languages: Sequence[str]) -> dict[str, Any]:
        """All that the model of a cell depends on besides the study's own texts, as JSON values."""
        setting = self.settings[cell.setting]
        switched = setting.code_switch
        domains = [self.domain if at == 0 else setting.domain or self.domain for at in range(len(languages))]
        return {
            "languages": languages,
            "text": [
                digest_of(self.text[domain][language]) for domain, language in zip(domains, languages, strict=True)
            ],
            "parallel": self.parallel,
            "dev": {language: digest_of(each) for language, each in self.dev.items()},
            "size": cell.size,
            "seed": cell.seed,
            "vocabulary": [setting.vocabulary, self.vocabulary.size, self.vocabulary.kind],
            "switched": None if switched is None else [switched.probability, switched.cap],
            "dictionary": None if switched is None else {at: file_digest(each) for at, each in self.dictionary.items()},
            "separate": [setting.separate_embeddings, setting.separate_layers],
            "domains": [domain == self.domain for domain in domains],
            "window": setting.window,
            "untrained": setting.untrained,
            "model": [getattr(self.model, each) for each in _ARCHITECTURE],
            "training": dict(self.training),
        }


def read_cells(node: Node, keys: Mapping[str, Node], languages: Sequence[str]) -> CellGrid:
    """The grid under some keys.

    Args:
        node: The mapping that has them.
        keys: Its entries.
        languages: Languages, the source first.

    Raises:
        StudyError: A key is missing or wrong; names it, what was expected and got.
    """
    text = {name: _text(each, languages) for name, each in need(node, keys, "text").entries().items()}
    if not text:
        keys["text"].fail("at least one domain")
    settings = {name: _setting(each, name) for name, each in need(node, keys, "settings").entries().items()}
    if not settings:
        keys["settings"].fail("at least one setting")
    grid = CellGrid(
        text=text,
        settings=settings,
        sizes=need(node, keys, "sizes").unique(lambda item: item.integer(1)),
        vocabulary=_vocabulary(need(node, keys, "vocabulary")),
        seeds=get(keys, "seeds", lambda item: item.unique(lambda seed: seed.integer(0)), (0,)),
        model=get(keys, "model", _model, Architecture()),
        training=get(keys, "training", lambda item: typed(item, _TRAINING), {}),
        only=get(keys, "only", lambda item: item.unique(Node.text), ()),
        parallel=get(keys, "parallel", Node.boolean, False),
        dev=get(keys, "dev", lambda item: _text(item, languages), {}),
        dictionary=get(keys, "dictionary", lambda item: {each: corpus_path(item, each) for each in languages[1:]}, {}),
        together=get(keys, "together", lambda item: item.integer(1), 1),
    )
    _check(grid, node, keys, languages)
    return grid


def _check(grid: CellGrid, node: Node, keys: Mapping[str, Node], languages: Sequence[str]) -> None:
    """Refuses settings that the other keys cannot serve, and patterns of no cell."""
    entries = keys["settings"].entries()
    for language in languages:
        if language not in grid.text[grid.domain]:
            keys["text"].entries()[grid.domain].fail(f"a text of {language}", sorted(grid.text[grid.domain]))
    for name, setting in grid.settings.items():
        if setting.domain and setting.domain not in grid.text:
            entries[name].fail(f"a domain of {', '.join(grid.text)}", setting.domain)
        for language in languages[1:] if setting.domain else ():
            if language not in grid.text[setting.domain]:
                entries[name].fail(f"a domain with a text of {language}", setting.domain)
        if setting.code_switch is not None and not grid.dictionary:
            node.fail(f"the key dictionary for the setting {name!r}", sorted(keys))
        if setting.separate_layers > grid.model.layers:
            entries[name].fail(f"separate_layers within 0..{grid.model.layers}", setting.separate_layers)
        if setting.window > grid.model.max_tokens:
            entries[name].fail(f"a window of at most {grid.model.max_tokens} tokens", setting.window)
    for pattern in grid.only:
        if not any(fnmatchcase(str(cell), pattern) for cell in grid.cells):
            keys["only"].fail(f"patterns of cells such as {grid.cells[0]}", pattern)


def _text(node: Node, languages: Sequence[str]) -> dict[str, Where]:
    """Files by language: a path with `{language}`, or a mapping of some of the languages."""
    if isinstance(node.value, dict):
        return {language: read_where(each, language) for language, each in node.mapping(*languages).items()}
    if "{language}" not in node.text():
        node.fail("a path with `{language}`, or files by language")
    return {language: read_where(node, language) for language in languages}


def _setting(node: Node, name: str) -> Setting:
    if "/" in name:
        node.fail("a name without `/`", name)
    keys = node.mapping(
        "vocabulary", "code_switch", "separate_embeddings", "separate_layers", "domain", "window", "untrained"
    )  # fmt: skip
    setting = Setting(
        vocabulary=get(keys, "vocabulary", lambda item: item.choice(*_VOCABULARIES), JOINT),
        code_switch=get(keys, "code_switch", _switching, None),
        separate_embeddings=get(keys, "separate_embeddings", Node.boolean, False),
        separate_layers=get(keys, "separate_layers", lambda item: item.integer(0), 0),
        domain=get(keys, "domain", Node.text, ""),
        window=get(keys, "window", lambda item: item.integer(4), 0),
        untrained=get(keys, "untrained", Node.boolean, False),
    )
    if setting.code_switch is not None and setting.vocabulary != JOINT:
        node.fail("code_switch with a joint vocabulary: one of each language cuts words of the other to pieces")
    return setting


def _switching(node: Node) -> CodeSwitching | None:
    if isinstance(node.value, bool):
        return CodeSwitching() if node.boolean() else None
    keys = node.mapping("probability", "cap")
    plain = CodeSwitching()
    return CodeSwitching(
        get(keys, "probability", Node.fraction, plain.probability), get(keys, "cap", Node.fraction, plain.cap)
    )


def _vocabulary(node: Node) -> VocabularyDesign:
    keys = node.mapping("size", "kind")
    return VocabularyDesign(
        need(node, keys, "size").integer(1),
        get(keys, "kind", lambda item: item.choice("wordpiece", "bpe"), "wordpiece"),
    )


def _model(node: Node) -> Architecture:
    keys = node.mapping(*_ARCHITECTURE[1:])
    plain = Architecture()
    return Architecture(
        layers=get(keys, "layers", lambda item: item.integer(1), plain.layers),
        hidden_size=get(keys, "hidden_size", lambda item: item.integer(1), plain.hidden_size),
        heads=get(keys, "heads", lambda item: item.integer(0), plain.heads),
        feed_forward=get(keys, "feed_forward", lambda item: item.integer(0), plain.feed_forward),
        max_tokens=get(keys, "max_tokens", lambda item: item.integer(4), plain.max_tokens),
        initializer_range=get(keys, "initializer_range", Node.fraction, plain.initializer_range),
    )
