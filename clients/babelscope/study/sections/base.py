"""What a section of a study is: a key of the study file, the requests it comes to, and the records that answer them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from babelscope.calls.views import View
from babelscope.data.activations import Progress
from babelscope.data.models import Intervention, Model
from babelscope.errors import StudyError
from babelscope.study import interventions
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.offers import Wanted
from babelscope.study.result import ModelUse, Row, StudyResult, read_record
from babelscope.study.texts import StudyTexts

ShowProgress = Callable[[Progress], None]
Cells = Mapping[str, Any]
"""Cells of one line of `results.csv`, by column; those left out are empty."""


class Services(Protocol):
    """What a study needs of a mesh."""

    @property
    def encoder(self) -> Any:
        """The client of the encoder."""

    @property
    def metrics(self) -> Any:
        """The client of the metrics server."""

    @property
    def datagen(self) -> Any:
        """The client of the datagen server, for studies with stored data or fine-tuning."""

    @property
    def trainer(self) -> Any:
        """The client of the trainer, for studies with fine-tuning."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What there is before the first request of a section.

    Attributes:
        study: The study.
        uses: Its models as they are used; one used twice is there twice.
        texts: Its texts.
    """

    study: Study
    uses: tuple[ModelUse, ...]
    texts: StudyTexts

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """The models, each once."""
        return tuple({use.used: use for use in self.uses}.values())

    def view(self, use: ModelUse, language: str, **options: Any) -> View:
        """A language's texts through a model."""
        model = Model(use.used, use.revision)
        texts, edits = self.texts.corpus.texts[language], self.edits(use, language)
        return replace(View(texts=texts, model=model, interventions=edits, language=language), **options)

    def edits(self, use: ModelUse, language: str) -> tuple[Intervention, ...]:
        """The study's edits of a language's hidden states in a model."""
        return interventions.edits(self.study.interventions, language, use)

    def check_layers(self, key: str, layers: Iterable[int] | None, use: ModelUse) -> None:
        """Refuses layers that a model does not have.

        Raises:
            StudyError: It lacks one; names the key of the study file.
        """
        for layer in layers or ():
            if layer > use.layers:
                raise StudyError(f"Expected `{key}` within 0..{use.layers} for model {use.used}, but got {layer}")

    def encoded(self, uses: Iterable[ModelUse], languages: Iterable[str]) -> dict[str, Any]:
        """All that the hidden states of these models and languages depend on."""
        return {
            "models": [[use.used, use.revision, use.digest] for use in uses],
            "encode": [self.study.pooling, self.study.overflow, self.study.alignment],
            **({"computed": self.study.computed} if self.study.computed else {}),
            **interventions.depends(self.study.interventions),
            "data": {language: self.texts.digests[language] for language in sorted(set(languages))},
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What a study has found so far.

    Attributes:
        rows: Similarity and retrieval by layer.
        records: Records of the sections before this one, by key.
    """

    rows: Sequence[Row]
    records: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One request of a section, or a few that belong together.

    Attributes:
        summary: What it asks, in words.
        depends: All that its answer depends on, as JSON values; may look at what was found before.
        ask: Asks for it and gives its records.
    """

    summary: str
    depends: Callable[[Found], Mapping[str, Any]]
    ask: Callable[[Services, Found, ShowProgress | None], Sequence[Any]]


def nothing(designs: Any) -> Iterable[Wanted]:
    """The names of a section that asks for none."""
    del designs
    return ()


@dataclass(frozen=True, slots=True)
class Section:
    """A kind of question that a study can ask besides similarity and retrieval by layer.

    Attributes:
        key: Its key in the study file, and in `sections` of the result.
        record: The dataclass of its records.
        read: Reads what stands under the key; is given the study without its sections.
        plan: The requests it comes to.
        cells: Lines of `results.csv` of one record.
        wanted: The names that it asks of the metrics server.
    """

    key: str
    record: type[Any]
    read: Callable[[Node, Study], Any]
    plan: Callable[[Any, Asked], Sequence[Task]]
    cells: Callable[[Any], Iterable[Cells]]
    wanted: Callable[[Any], Iterable[Wanted]] = nothing

    def records(self, result: StudyResult) -> tuple[Any, ...]:
        """The records of a result; none where the study did not ask.

        Raises:
            StudyError: They are not as this section writes them.
        """
        listed = result.sections.get(self.key, ())
        return tuple(read_record(self.record, values, f"sections.{self.key}[{at}]") for at, values in enumerate(listed))
