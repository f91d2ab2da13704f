"""A study's texts: read, put in one order, counted and digested."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelscope.corpora import ParallelCorpus, find_format, read_parallel
from babelscope.data.texts import Text
from babelscope.errors import StudyError
from babelscope.study.design import CorpusDesign, Study
from babelscope.study.result import LanguageUse

STORED = "dataset"
"""Format of a corpus that is stored."""
MINIMUM = 4  # debiased CKA is not defined for fewer

_EXAMPLES = 5
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class StudyTexts:
    """The texts of a study.

    Attributes:
        corpus: In the natural order of the ids, whatever the order of the files, so that the same texts give the same
            digests and numbers.
        digests: For each language, the SHA-256 digest of its ids and texts in that order.
        uses: What the result says of each language, without what models did to it.
    """

    corpus: ParallelCorpus
    digests: Mapping[str, str]
    uses: tuple[LanguageUse, ...]


def read_texts(study: Study, datagen: Callable[[], Any]) -> StudyTexts:
    """Reads the corpus of a study.

    Args:
        study: The study.
        datagen: Gives the client that stored datasets are read by; called where the corpus names any.

    Raises:
        CorpusError: A file cannot be read or does not follow its format.
        StudyError: A pair of languages shares too few ids, or ids are missing under `alignment: strict`.
    """
    design = study.corpus
    whole = _stored(design.datasets, datagen()) if design.datasets else _read(design)
    ids = sorted(whole.ids, key=natural)
    corpus = whole.select(ids[: study.sentences] if study.sentences else ids)
    missing = corpus.missing()
    if study.alignment == "strict":
        for language, names in missing.items():
            if names:
                raise StudyError(
                    f"Expected the same ids in all languages (alignment: strict), but {language} lacks {len(names)}: "
                    f"{', '.join(names[:_EXAMPLES])}"
                )
    wanted = {
        *study.language_pairs(study.pairs),
        *(study.language_pairs(study.retrieval.pairs) if study.retrieval else ()),
    }
    for left, right in sorted(wanted):
        shared = len(corpus.pair(left, right)[0])
        if shared < MINIMUM:
            raise StudyError(
                f"Expected at least {MINIMUM} ids that both {left} ({design.place(left)}) and {right} "
                f"({design.place(right)}) have, but got {shared}"
            )
    digests = {language: digest(texts) for language, texts in corpus.texts.items()}
    uses = tuple(
        LanguageUse(
            language=language,
            file=design.datasets.get(language) or design.files[language].name,
            format=STORED if design.datasets else find_format(Path(design.files[language]), design.format).name,
            texts=len(texts),
            digest=digests[language],
            missing=len(missing[language]),
            missing_examples=missing[language][:_EXAMPLES],
        )
        for language, texts in corpus.texts.items()
    )
    return StudyTexts(corpus, digests, uses)


def _read(design: CorpusDesign) -> ParallelCorpus:
    return read_parallel(design.files, format=design.format, column=design.column, id_column=design.id_column)


def _stored(datasets: Mapping[str, str], datagen: Any) -> ParallelCorpus:
    """The texts of stored datasets.

    Raises:
        StudyError: An example is no text.
    """
    texts: dict[str, tuple[Text, ...]] = {}
    for language, name in datasets.items():
        listed = []
        for example in datagen.get_dataset(name):
            if not isinstance(example.content, str):
                raise StudyError(f"{name}: Expected examples that are texts, but {example.id!r} is none")
            listed.append(Text(example.id, example.content, language))
        texts[language] = tuple(listed)
    return ParallelCorpus(texts)


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key under which `s2` comes before `s10`."""
    parts = _DIGITS.split(name)
    # Digits of other scripts match as well, and `int` reads them.
    return (*((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part), (1, name))


def digest(texts: Iterable[Text]) -> str:
    """SHA-256 over ids and texts, in order; lengths in between keep their borders apart."""
    total = hashlib.sha256()
    for text in texts:
        for field in (text.id.encode(), text.text.encode()):
            total.update(len(field).to_bytes(8, "little"))
            total.update(field)
    return total.hexdigest()
