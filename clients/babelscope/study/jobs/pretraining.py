"""Cells of a grid of pretraining: their texts and vocabularies stored, and each entered as one job."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from babelscope.corpora import Options, read_examples, read_word_pairs
from babelscope.data.datasets import Step
from babelscope.data.examples import Example, Sentence, TextPair
from babelscope.data.jobs import Job
from babelscope.errors import StudyError
from babelscope.study.jobs.cells import JOINT, CellGrid, CellName, CodeSwitching, Setting
from babelscope.study.jobs.ends import going_on
from babelscope.study.jobs.grids import Where

_UNTRAINED: Final = {"max_steps": 1, "learning_rate": 1e-12}
"""One step that moves no weight."""


class CellJobs:
    """Enters the jobs of a grid; what several cells share is read and stored once.

    Args:
        grid: The grid.
        languages: Languages, the source first.
        measured: Texts that the models are measured on, by language: no model sees them.
    """

    def __init__(self, grid: CellGrid, languages: Sequence[str], measured: Mapping[str, Iterable[str]]) -> None:
        self._grid, self._languages = grid, tuple(languages)
        self._measured = {language: frozenset(texts) for language, texts in measured.items()}
        self._texts: dict[tuple[str, str, int], list[Example]] = {}
        self._stored: dict[object, str] = {}
        self._shares: dict[str, int] | None = None

    def enter(self, mesh: Any, cell: CellName, request_id: str) -> Job:
        """The job of a cell: entered now, or the one that an earlier run has entered; one that failed is tried again.

        Args:
            mesh: Clients of datagen and trainer.
            cell: The cell.
            request_id: Id that makes a repeated call harmless.

        Raises:
            CorpusError: A file cannot be read.
            StudyError: A file holds too few texts, or what is no text.
            RpcError: A server answered with an error, or could not be reached for too long.
        """
        grid, setting = self._grid, self._grid.settings[cell.setting]
        train = {language: self._train(mesh, setting, language, cell.size) for language in self._languages}
        job: Job = mesh.trainer.pretrain_mlm(
            setting.architecture(grid.model),
            train,
            vocabulary=self._vocabulary(mesh, setting, cell.size),
            dev={language: self._dev(mesh, language) for language in grid.dev},
            source=self._languages[0],
            seed=cell.seed,
            max_tokens=setting.window,
            random_within_language=setting.separates,
            entry={"request_id": request_id, "labels": {"cell": str(cell)}},
            **{**grid.training, **(_UNTRAINED if setting.untrained else {})},
        )
        return going_on(mesh, job)

    def _domain(self, setting: Setting, language: str) -> str:
        """Where a setting takes the text of a language from: the source keeps the first domain."""
        return (setting.domain if language != self._languages[0] else "") or self._grid.domain

    def _train(self, mesh: Any, setting: Setting, language: str, size: int) -> str:
        domain, switched = self._domain(setting, language), setting.code_switch
        key = ("text", domain, language, size, switched)
        if key not in self._stored:
            texts: Iterable[Example] = self._read(mesh, domain, language, size)
            if switched is not None:
                texts = mesh.datagen.transform(texts, [self._switching(mesh, switched, language)])
            self._stored[key] = _put(mesh, texts, f"{domain} {language}, {size}")
        return self._stored[key]

    def _switching(self, mesh: Any, switched: CodeSwitching, language: str) -> Step:
        """The source takes words of every other language, and every other language words of the source."""
        source, *others = self._languages
        key = ("dictionary", language)
        if key not in self._stored:
            pairs = [
                _pair(at, other, one, two, language == source)
                for other in (others if language == source else [language])
                for at, (one, two) in enumerate(read_word_pairs(self._grid.dictionary[other]).pairs)
            ]
            self._stored[key] = _put(mesh, pairs, f"dictionary of {language}")
        return Step(
            "code_switch",
            {
                "dictionary": self._stored[key],
                "languages": ",".join(others if language == source else [source]),
                "source": language,
                "rule": "conneau",
                "translation": "weighted",
                "probability": repr(switched.probability),
                "cap": repr(switched.cap),
            },
        )

    def _vocabulary(self, mesh: Any, setting: Setting, size: int) -> str:
        """The vocabulary of the text as it is, without words of other languages."""
        own, design = setting.vocabulary != JOINT, self._grid.vocabulary
        domains = tuple(self._domain(setting, language) for language in self._languages)
        key = ("vocabulary", domains, size, own)
        if key not in self._stored:
            texts = [
                text
                for domain, language in zip(domains, self._languages, strict=True)
                for text in self._read(mesh, domain, language, size)
            ]
            tokens = design.size // len(self._languages) if own else design.size
            options = {"size": str(tokens), "kind": design.kind, "separate": str(own).lower()}
            learnt = mesh.datagen.transform(texts, [Step("learn_vocabulary", options)])
            self._stored[key] = _put(mesh, learnt, f"vocabulary of {', '.join(self._languages)}, {size}")
        return self._stored[key]

    def _dev(self, mesh: Any, language: str) -> str:
        key = ("dev", language)
        if key not in self._stored:
            texts = (_text(each, language) for each in _examples(mesh, self._grid.dev[language], language))
            self._stored[key] = _put(mesh, texts, f"development, {language}")
        return self._stored[key]

    def _read(self, mesh: Any, domain: str, language: str, size: int) -> list[Example]:
        """The first texts of a language that it may have: none that is measured, and none that another has.

        Raises:
            StudyError: There are fewer.
        """
        key = (domain, language, size)
        if key not in self._texts:
            place = self._grid.text[domain][language]
            known = self._measured.get(language, frozenset())
            taken = self._taken(mesh) if self._grid.parallel and domain == self._grid.domain else None
            mine = self._languages.index(language)
            texts = (_text(each, language) for each in _examples(mesh, place, language))
            free = (
                each
                for each in texts
                if each.content not in known and (taken is None or taken.get(each.id, -1) == mine)
            )
            self._texts[key] = list(islice(free, size))
            if len(self._texts[key]) < size:
                raise StudyError(
                    f"Expected at least {size} texts of {language} in {_name(place)} that are not measured on"
                    f"{' and that no other language has' if taken is not None else ''}, but got {len(self._texts[key])}"
                )
        return self._texts[key]

    def _taken(self, mesh: Any) -> dict[str, int]:
        """Which language an item of the parallel text goes to, by its id; none where any version is measured.

        The digest of its version in the source language decides, so that what is said twice goes the same way.
        """
        if self._shares is None:
            places = self._grid.text[self._grid.domain]
            measured: set[str] = set()
            for language in self._languages[1:]:
                known = self._measured.get(language, frozenset())
                found = _examples(mesh, places[language], language)
                measured |= {each.id for each in found if _text(each, language).content in known}
            source = self._languages[0]
            known = self._measured.get(source, frozenset())
            self._shares = {
                each.id: _share(str(_text(each, source).content), len(self._languages))
                for each in _examples(mesh, places[source], source)
                if each.id not in measured and _text(each, source).content not in known
            }
        return self._shares


def _share(text: str, languages: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") % languages


def _pair(at: int, language: str, one: str, two: str, forth: bool) -> Example:
    """A pair of the dictionary from the source, one way or the other."""
    return Example(f"{language}-{at}", TextPair(one, two) if forth else TextPair(two, one), language if forth else "")


def _examples(mesh: Any, place: Where, language: str) -> Iterator[Example]:
    if isinstance(place, str):
        yield from mesh.datagen.get_dataset(place)
    else:
        yield from read_examples(place, options=Options(language=language))


def _text(each: Example, language: str) -> Example:
    """An example as running text of a language.

    Raises:
        StudyError: It is none.
    """
    content = each.content.text if isinstance(each.content, Sentence) else each.content
    if not isinstance(content, str):
        raise StudyError(f"Expected running text of {language}, but example {each.id!r} is none")
    return Example(each.id, content, language)


def _name(place: Where) -> str:
    return place.name if isinstance(place, Path) else place


def _put(mesh: Any, examples: Iterable[Example], title: str) -> str:
    name: str = mesh.datagen.put_dataset(examples, title=title).name
    return name
