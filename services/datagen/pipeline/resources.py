"""What transforms may ask for: dictionaries under the allowed folders or in the store, and stored datasets."""

from collections.abc import Iterator
from pathlib import Path

from babelscope.data.examples import Example, TextPair
from babelscope.data.languages import same_language

from services.datagen.datasets.dictionaries import Pair, WordPairs, find_dictionary, read_dictionary
from services.datagen.datasets.stored import KIND, Datasets
from services.datagen.translation.base import Translator
from services.datagen.translation.choice import Choice
from services.datagen.translation.registry import Translators
from services.runtime.errors import InvalidArgument
from services.runtime.text.lexicon import Dictionary


class StoredDataset:
    """The examples of a dataset; can be read several times.

    Args:
        datasets: Datasets of the store.
        name: `datasets/DIGEST`; looked up at once.
    """

    def __init__(self, datasets: Datasets, name: str) -> None:
        self.info = datasets.get(name)
        self._datasets = datasets

    def __iter__(self) -> Iterator[Example]:
        return self._datasets.read(self.info.name)


class ServiceResources:
    """The resources of one request.

    Args:
        roots: Folders whose files may be read.
        datasets: Datasets of the store.
        translators: Translation systems of the service.
    """

    def __init__(self, roots: tuple[Path, ...], datasets: Datasets, translators: Translators) -> None:
        self._roots, self._datasets, self._translators = roots, datasets, translators

    def dictionary(self, reference: str, source: str, target: str) -> Dictionary:
        """A dictionary.

        Args:
            reference: A file, or a folder of files `SOURCE-TARGET`, under an allowed folder; or a dataset whose
                examples are word pairs: the premise is the word, the hypothesis its translation, the attribute
                `weight` a number above 0, and the language (where there is one) that of the translation.
            source: Tag of the source language.
            target: Tag of the target language.

        Raises:
            NotFound: There is none.
            FailedPrecondition: It holds no pair, or what it holds are no pairs.
        """
        if reference.startswith(f"{KIND}/"):
            pairs = _pairs(self.dataset(reference), target)
            return WordPairs(pairs, source=source, name=reference)
        return read_dictionary(find_dictionary(self._roots, reference, source, target), source=source)

    def dataset(self, name: str) -> StoredDataset:
        """A stored dataset.

        Raises:
            NotFound: There is none of that name.
        """
        return StoredDataset(self._datasets, name)

    def translator(self, choice: Choice) -> Translator:
        """A translating system.

        Raises:
            InvalidArgument: The choice names none, or a server that is not allowed.
            NotFound: There is no such model.
            FailedPrecondition: A package is not installed, or the model cannot be used.
        """
        return self._translators.open(choice, self)


def _pairs(dataset: StoredDataset, target: str) -> Iterator[Pair]:
    for example in dataset:
        if not isinstance(example.content, TextPair):
            problem = f"Expected word pairs in {dataset.info.name}, but example {example.id!r} is none"
            raise InvalidArgument("dictionary", problem)
        if not example.language or same_language(example.language, target):
            yield Pair(example.content.premise, example.content.hypothesis, _weight(example))


def _weight(example: Example) -> float:
    text = example.attributes.get("weight", "1")
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        problem = f"Expected a weight above 0, but example {example.id!r} has {text!r}"
        raise InvalidArgument("dictionary", problem)
    return weight
