"""What a study asks: the contents of a study file as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from babelscope.calls.measures import Measure
from babelscope.calls.options import Backend, ComputeType
from babelscope.study.offers import Wanted

Pairs = Literal["all", "sources"]
Pooling = Literal["mean", "cls"]
Overflow = Literal["truncate", "refuse"]
Alignment = Literal["intersect", "strict"]
Scheme = Literal["model", "torch_default"]


@dataclass(frozen=True, slots=True)
class CorpusDesign:
    """The parallel corpus.

    Attributes:
        files: Path by language; empty where the texts are stored.
        datasets: Name of the stored dataset by language; empty where the texts are in files.
        format: Name of a format; told from each file where None.
        column: Part of an item that is its text, see `babelscope.corpora.Options`.
        id_column: Column of a TSV file that holds the ids.
    """

    files: Mapping[str, Path]
    format: str | None = None
    column: str = ""
    id_column: str = ""
    datasets: Mapping[str, str] = field(default_factory=dict)

    def place(self, language: str) -> str:
        """Where the texts of a language are, in words."""
        return self.datasets.get(language) or str(self.files[language])


@dataclass(frozen=True, slots=True)
class ModelDesign:
    """A model of the study.

    Attributes:
        name: Name by which the encoder knows it.
        revision: Hub revision, empty for the default.
        label: Name that the report shows.
        fallback: Model used instead where the encoder cannot serve this one; none where empty.
    """

    name: str
    label: str
    revision: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class RandomInitDesign:
    """RANDOM-INIT (Muller et al. 2021, section 2.1): groups of layers drawn anew, one group at a time.

    Attributes:
        groups: Layers by label; None for pairs of consecutive layers up to the model's last, as in their table 1.
        seeds: Seeds; a variant for each.
        scheme: `model` or `torch_default`.
        pairs: Language pairs compared under RANDOM-INIT.
        retrieval: Whether retrieval is measured as well.
    """

    groups: Mapping[str, tuple[int, ...]] | None = None
    seeds: tuple[int, ...] = (0,)
    scheme: Scheme = "model"
    pairs: Pairs = "sources"
    retrieval: bool = False

    def layers_of(self, layers: int) -> dict[str, tuple[int, ...]]:
        """The groups for a model of so many layers."""
        if self.groups is not None:
            return dict(self.groups)
        starts = range(1, layers + 1, 2)
        pairs = (tuple(range(start, min(start + 1, layers) + 1)) for start in starts)
        return {"-".join(str(layer) for layer in pair): pair for pair in pairs}


@dataclass(frozen=True, slots=True)
class MeasureDesign:
    """A measure of similarity.

    Attributes:
        name: Name of the measure, as the metrics server knows it.
        estimator: Variant of the measure; the server's default where empty.
        options: Options of the measure; the server's defaults where left out.
        place: Study file and path of the name in it, for errors.
    """

    name: str
    estimator: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    place: str = field(default="", compare=False)

    @property
    def measure(self) -> Measure:
        """The measure as requests name it."""
        return Measure(self.name, self.estimator, options=self.options)

    @property
    def wanted(self) -> Wanted:
        """The measure as something that the metrics server must offer."""
        return Wanted("measure", self.name, self.place, self.estimator, self.options)

    @property
    def depends(self) -> list[Any]:
        """All that a number depends on, as JSON values."""
        return [self.name, self.estimator, dict(self.options)]


@dataclass(frozen=True, slots=True)
class RetrievalDesign:
    """Retrieval between languages.

    Attributes:
        similarities: `cosine`, `csls`.
        centre: Whether each language's mean is subtracted first; both ways where it holds both.
        pairs: Language pairs.
    """

    similarities: tuple[str, ...] = ("cosine", "csls")
    centre: tuple[bool, ...] = (False,)
    pairs: Pairs = "sources"


@dataclass(frozen=True, slots=True)
class InterventionDesign:
    """An edit of hidden states.

    Attributes:
        layer: Layer of the edit.
        languages: Languages whose texts are edited; all where None.
        shift: Files of two means by layer, from and to, that `babelscope means` wrote; None for a map.
        alpha: Factor of the shift.
        linear_map: File of a map; None for a shift.
        allow_other_model: Whether the means or the map may be of another model.
    """

    layer: int
    languages: tuple[str, ...] | None = None
    shift: tuple[Path, Path] | None = None
    alpha: float = 1.0
    linear_map: Path | None = None
    allow_other_model: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the edit is made of."""
        return self.shift or ((self.linear_map,) if self.linear_map else ())


@dataclass(frozen=True, slots=True)
class Study:
    """A study.

    Attributes:
        name: Short name, fit for a folder.
        title: The question, for the report's head.
        corpus: The texts.
        languages: In the order of the report.
        sources: Languages from which `sources` pairs start.
        models: Models; at least one, but for a study that pretrains its own.
        sentences: Largest number of items, taken in the order of their ids; 0 for all.
        layers: Layers measured; None for all.
        pooling: `mean` or `cls`.
        pairs: Language pairs compared on the models as they are.
        measures: At least one measure.
        standardise: Divide each dimension by its standard deviation.
        drop_top_variance: Leave out this many dimensions of largest variance.
        random_init: None for no RANDOM-INIT.
        retrieval: None for no retrieval.
        overflow: Treatment of texts longer than the model takes: `truncate` or `refuse`.
        alignment: `intersect` (a pair uses the ids both have) or `strict` (missing ids fail the study).
        backend: What computes hidden states: `torch` or `onnx`. Predicted tokens are always PyTorch's.
        compute_dtype: Arithmetic of hidden states: `float32`; `bfloat16` by `torch`; `int8` by `onnx`.
        interventions: Edits of hidden states, in order, in all that is encoded.
        sections: What else is asked, by key of the study file: designs of `babelscope.study.sections`.
    """

    name: str
    title: str
    corpus: CorpusDesign
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    models: tuple[ModelDesign, ...]
    sentences: int = 0
    layers: tuple[int, ...] | None = None
    pooling: Pooling = "mean"
    pairs: Pairs = "all"
    measures: tuple[MeasureDesign, ...] = (MeasureDesign("cka"),)
    standardise: bool = False
    drop_top_variance: int = 0
    random_init: RandomInitDesign | None = None
    retrieval: RetrievalDesign | None = None
    overflow: Overflow = "truncate"
    alignment: Alignment = "intersect"
    backend: Backend = "torch"
    compute_dtype: ComputeType = "float32"
    interventions: tuple[InterventionDesign, ...] = ()
    sections: Mapping[str, Any] = field(default_factory=dict)

    def language_pairs(self, which: Pairs) -> tuple[tuple[str, str], ...]:
        """Unordered pairs of languages, the one listed first on the left unless the other alone is a source."""
        pairs = []
        for at, left in enumerate(self.languages):
            for right in self.languages[at + 1 :]:
                if which == "all" or left in self.sources:
                    pairs.append((left, right))
                elif right in self.sources:
                    pairs.append((right, left))
        return tuple(pairs)

    @property
    def computed(self) -> dict[str, Any]:
        """The options of a request that say what computes hidden states; those that are not the default."""
        options = {"backend": (self.backend, "torch"), "compute_dtype": (self.compute_dtype, "float32")}
        return {name: chosen for name, (chosen, default) in options.items() if chosen != default}

    def to_json(self) -> dict[str, Any]:
        """The study as JSON values, for the result: files by their names, without the folders of this machine."""
        values: dict[str, Any] = _without_folders(self)
        return values


def _without_folders(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if is_dataclass(value):
        # A field that does not compare says where something stands in the study file: only errors need it.
        return {each.name: _without_folders(getattr(value, each.name)) for each in fields(value) if each.compare}
    if isinstance(value, Mapping):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_without_folders(item) for item in value]
    return value
