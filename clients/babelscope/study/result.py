"""What a study found and how: plain data that goes to `results.json` and comes back from it."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from babelscope.data.atomic import write_atomically
from babelscope.errors import StudyError

FORMAT: Final = "babelscope-study/2"
# The format before had no sections, and is read as a result without any.
_READABLE: Final = ("babelscope-study/1", FORMAT)

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Row:
    """One number: a measure of one pair of languages at one layer of one variant of one model.

    Attributes:
        kind: `similarity` or `retrieval`.
        metric: `cka`, `svcca`, `cosine`, `p@1`, `mrr`, ...
        estimator: Its variant: `debiased`, `csls`, ...
        model: Name of the model used.
        reinit: The RANDOM-INIT as `1-2@0`, layers and seed; empty for the model as it is.
        pooling: Pooling of the hidden states.
        source: Left language; the query side of retrieval.
        target: Right language; the candidate side of retrieval.
        layer: Layer of both sides.
        value: The estimate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Items used.
        null_mean: What unrelated items give: the chance level.
        null_sd: Its spread.
        p: Dimensions of the left side.
        q: Dimensions of the right side.
        left_kept: Directions kept of the left side; 0 where not applicable.
        right_kept: Directions kept of the right side.
        centred: Whether each language's mean was subtracted before retrieval.
        signature: All settings behind the number.
        warnings: Warnings.
    """

    kind: str
    metric: str
    estimator: str
    model: str
    reinit: str
    pooling: str
    source: str
    target: str
    layer: int
    value: float
    low: float
    high: float
    n: int
    null_mean: float
    null_sd: float
    p: int = 0
    q: int = 0
    left_kept: int = 0
    right_kept: int = 0
    centred: bool = False
    signature: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelUse:
    """Which model was asked for, and which was used.

    Attributes:
        label: Name that the report shows.
        asked: Name in the study file.
        used: Name of the model behind the numbers.
        reason: Why another one was used; empty where the one asked for was.
        revision: Hub revision, empty for the default.
        digest: SHA-256 over configuration, tokenizer and weights.
        family: transformers' model type.
        layers: Number of blocks, L.
        hidden_size: Width of the hidden states.
        max_tokens: Longest input in tokens.
        parameters: Number of parameters.
    """

    label: str
    asked: str
    used: str
    reason: str
    revision: str
    digest: str
    family: str
    layers: int
    hidden_size: int
    max_tokens: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A model as it is, or under one RANDOM-INIT.

    Attributes:
        model: Name of the model used.
        reinit: RANDOM-INIT as the rows name it; empty for the model as it is.
        label: Name of the group of layers; empty for the model as it is.
        layers: Layers drawn anew.
        seed: Seed of the draw.
    """

    model: str
    reinit: str
    label: str = ""
    layers: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LanguageUse:
    """The texts of one language.

    Attributes:
        language: Its tag.
        file: Name of the file.
        format: Name of its format.
        texts: Texts used.
        digest: SHA-256 over ids and texts, in the order of the ids.
        missing: Ids that another language has and this one lacks.
        missing_examples: Some of these ids.
        truncated: Texts cut to fit, by model.
        tokens: Tokens computed, by model.
    """

    language: str
    file: str
    format: str
    texts: int
    digest: str
    missing: int = 0
    missing_examples: tuple[str, ...] = ()
    truncated: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PairUse:
    """The items of one pair: used, and left out because one side lacks them."""

    left: str
    right: str
    n: int
    left_only: int = 0
    right_only: int = 0


@dataclass(frozen=True, slots=True)
class StepUse:
    """One request of the study.

    Attributes:
        key: Digest of everything that its numbers depend on; names its file under `steps/`.
        summary: What it asked, in words.
        seconds: How long it took when it was computed.
        computed: Time of the request, UTC.
        reused: Whether this run found it done.
    """

    key: str
    summary: str
    seconds: float
    computed: str
    reused: bool


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study's result.

    Attributes:
        study: The study file's contents as read.
        models: Models asked for and used.
        variants: Variants measured, the models as they are first.
        languages: Texts used.
        pairs: Items of each pair, for the models as they are.
        rows: All numbers.
        steps: Requests made or found done.
        provenance: Code, libraries, machine, date.
        sections: Records of the sections asked for, by key, as JSON values; `Section.records` reads them.
    """

    study: Mapping[str, Any]
    models: tuple[ModelUse, ...]
    variants: tuple[Variant, ...]
    languages: tuple[LanguageUse, ...]
    pairs: tuple[PairUse, ...]
    rows: tuple[Row, ...]
    steps: tuple[StepUse, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Writes the result as JSON, a line for each record, whole or not at all."""
        values = {"format": FORMAT, **asdict(self)}
        body = ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in values.items())
        write_atomically(path, f"{{\n{body}\n}}\n")

    @classmethod
    def read(cls, path: Path) -> "StudyResult":
        """Reads a result.

        Raises:
            StudyError: The file cannot be read or is no study's result.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise StudyError(f"{path}: Expected a study's results.json, but got: {error.strerror or error}") from error
        except ValueError as error:
            raise StudyError(f"{path}: Expected a study's results.json, but got: {error}") from error
        found = values.pop("format", None) if isinstance(values, dict) else None
        if found not in _READABLE:
            raise StudyError(f"{path}: Expected a result of format {FORMAT}, but got {found!r}")
        return read_record(cls, values, str(path))


def _lines(value: Any) -> str:
    if isinstance(value, tuple | list) and value:
        return "[\n" + ",\n".join(map(_line, value)) + "\n]"
    if isinstance(value, dict) and any(isinstance(each, tuple | list) for each in value.values()):
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(each)}" for key, each in value.items()) + "\n}"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_record(kind: type[Record], values: Any, at: str) -> Record:
    """A dataclass from JSON values, its nested dataclasses and tuples included.

    Raises:
        StudyError: A field is missing, unknown or of another type; `at` says where.
    """
    if not isinstance(values, dict):
        raise StudyError(f"{at}: Expected a mapping, but got {type(values).__name__}")
    hints = get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise StudyError(f"{at}: Expected one of {', '.join(known)}, but got {name!r}")
    for name, each in known.items():
        if name not in values and each.default is MISSING and each.default_factory is MISSING:
            raise StudyError(f"{at}: Expected a value for {name}, but got none")
    return kind(**{name: _read_value(hints[name], value, f"{at}.{name}") for name, value in values.items()})


def _read_value(hint: Any, value: Any, at: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is UnionType:
        if value is None and NoneType in arguments:
            return None
        hint = next(each for each in arguments if each is not NoneType)
        return _read_value(hint, value, at)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise StudyError(f"{at}: Expected a list, but got {type(value).__name__}")
        return tuple(_read_value(arguments[0], item, f"{at}[{number}]") for number, item in enumerate(value))
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        return read_record(hint, value, at)
    expected: Any = dict if origin is Mapping else (int, float) if hint is float else hint
    if not isinstance(value, expected) or (hint is int and isinstance(value, bool)):
        raise StudyError(f"{at}: Expected {getattr(hint, '__name__', hint)}, but got {type(value).__name__}")
    return float(value) if hint is float else value
