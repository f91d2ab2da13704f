"""The options `--shift` and `--map`: edits of hidden states on the command line."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from babelscope.calls.corpus.means import LayerMeans, shift
from babelscope.calls.maps import StoredMap, load_map
from babelscope.cli.options import ReinitOptions, one_of, usage
from babelscope.data.models import Intervention, LinearMap, Positions
from babelscope.errors import DataCorrupted

ShiftOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shift",
        metavar="layer=L,from=MEANS,to=MEANS[,alpha=A][,language=LANGUAGE][,positions=P][,allow_other_model=true]",
        help="Shift of hidden states at a layer by A (1 if not given) times the difference of two means that "
        "`babelscope means` wrote: .npz files, or names vectors/ID in the store. All languages are shifted if none is "
        "given. Positions: non_special (if not given) or all. Means of another model are refused unless "
        "allow_other_model=true is given. May be repeated.",
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="layer=L,map=MAP[,language=LANGUAGE][,matrix_only=true][,positions=P][,allow_other_model=true]",
        help="Linear map of hidden states at a layer: a name maps/ID that `babelscope fit-map` gave, or the file of "
        "the object. All languages are mapped if none is given. Positions: all (if not given) or non_special. Maps of "
        "another model are refused unless allow_other_model=true is given. May be repeated.",
    ),
]


@dataclass(frozen=True, slots=True)
class JobEditOptions:
    """Edits of hidden states in a job or a prediction: all shifts in order, then all maps."""

    shift: ShiftOption = None
    map: MapOption = None

    def edits(self) -> dict[str, Any]:
        """Edits of all texts and of the texts of single languages, as the client's methods take them."""
        read = [_shift(each) for each in self.shift or ()] + [_map(each) for each in self.map or ()]
        languages = dict.fromkeys(language for language, _ in read if language)
        return {
            "interventions": [edit for language, edit in read if not language],
            "language_interventions": {
                chosen: [edit for language, edit in read if language == chosen] for chosen in languages
            },
        }


@dataclass(frozen=True, slots=True)
class EditOptions(ReinitOptions):
    """How texts are encoded, where hidden states may be edited: all shifts in order, then all maps."""

    shift: ShiftOption = None
    map: MapOption = None

    def edits(self, languages: Collection[str], given: Collection[str] = ()) -> dict[str, list[Intervention]]:
        """The edits of texts of each language; an edit of another language is refused.

        Args:
            languages: All languages.
            given: Those whose rows are at hand, which `moved` maps; a map of such languages alone is no edit.
        """
        read = [("--shift", *_shift(each)) for each in self.shift or ()]
        rest = set(languages) - set(given)
        for each in self.map or ():
            chosen = _map_fields(each).get("language")
            if rest if chosen is None else chosen not in given:
                read.append(("--map", *_map(each)))
        for option, chosen, _ in read:
            if chosen and chosen not in languages:
                known = ", ".join(each for each in languages if each)
                expected = f"a language of the texts, {known}," if known else "no language, as the texts have none,"
                raise typer.BadParameter(f"Expected {expected} in {option}, but got language={chosen}")
        return {language: [edit for _, chosen, edit in read if chosen in {"", language}] for language in languages}

    def moved(self, rows: NDArray[np.float32], language: str) -> NDArray[Any]:
        """Vectors of a language through all its maps, exactly, rows that are divided by their norms included.

        Args:
            rows: [n, d].
            language: Their language.
        """
        for text in self.shift or ():
            if _shift(text)[0] in {"", language}:
                raise typer.BadParameter(
                    f"Expected --shift only of languages that are encoded, but {language} has vectors"
                )
        moved: NDArray[Any] = rows
        for text in self.map or ():
            fields = _map_fields(text)
            if fields.get("language", "") not in {"", language}:
                continue
            if fields["layer"] != "0" or fields.keys() - {"layer", "map", "language"}:
                raise typer.BadParameter(f"Expected layer=0 and a map alone in --map of vectors, but got {text!r}")
            with usage():
                moved = _stored_map(fields["map"], "the file of a map, as vectors are mapped here,").transform(moved)
        return moved


@dataclass(frozen=True, slots=True)
class TokenOptions(EditOptions):
    """The same, where a row may be a token."""

    pooling: Annotated[
        str,
        typer.Option(
            "--pooling",
            callback=one_of("mean", "cls", "token", "word_first", "word_mean", "span"),
            help="Pooling of hidden states: mean or cls (a row for each text); token (a row for each token); "
            "word_first or word_mean (a row for each word of a sentence in words); span (a row for the first answer of "
            "each question, in its context).",
        ),
    ] = "mean"


def _shift(text: str) -> tuple[str, Intervention]:
    given = _fields(text, "--shift", ("layer", "from", "to"), ("alpha", "language", "positions", "allow_other_model"))
    with usage():
        return given.get("language", ""), shift(
            _means(given["from"]),
            _means(given["to"]),
            _number(int, given["layer"], "layer"),
            _number(float, given.get("alpha", "1"), "alpha"),
            positions=_positions(given),
            allow_other_model=_truth(given, "allow_other_model", "--shift"),
        )


def _map_fields(text: str) -> dict[str, str]:
    return _fields(text, "--map", ("layer", "map"), ("language", "matrix_only", "positions", "allow_other_model"))


def _map(text: str) -> tuple[str, Intervention]:
    given = _map_fields(text)
    language = given.get("language", "")
    only, other = _truth(given, "matrix_only", "--map"), _truth(given, "allow_other_model", "--map")
    name, positions = given["map"], _positions(given)
    with usage():
        layer = _number(int, given["layer"], "layer")
        if name.startswith("maps/"):
            linear = LinearMap(name, None if only else name, positions)
            return language, Intervention(layer, linear_map=linear, allow_other_model=other)
        found = _stored_map(name, "maps/ID or the file of a map")
        linear = LinearMap(found.matrix, None if only else found.bias, positions, found.model_digest)
        return language, Intervention(layer, linear_map=linear, allow_other_model=other)


def _stored_map(name: str, expected: str) -> StoredMap:
    """The map of a file."""
    try:
        return load_map(Path(name))
    except (OSError, DataCorrupted) as error:
        raise ValueError(f"Expected {expected} in --map, but got {name!r}: {error}") from None


def _means(name: str) -> LayerMeans | str:
    """Means of a file, or their name in the store."""
    if name.startswith("vectors/"):
        return name
    try:
        return LayerMeans.load(name)
    except OSError as error:
        raise ValueError(
            f"Expected vectors/ID or the .npz file of means in --shift, but got {name!r}: {error}"
        ) from None


def _positions(given: Mapping[str, str]) -> Positions | None:
    match given.get("positions"):
        case None:
            return None
        case "non_special":
            return "non_special"
        case "all":
            return "all"
        case other:
            raise typer.BadParameter(f"Expected positions=non_special or positions=all, but got {other!r}")


def _truth(given: Mapping[str, str], name: str, option: str) -> bool:
    """Whether a field is true; false where it is not given."""
    value = given.get(name, "false")
    if value not in {"true", "false"}:
        raise typer.BadParameter(f"Expected {name}=true or false in {option}, but got {value!r}")
    return value == "true"


def _number(kind: Callable[[str], Any], text: str, name: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"Expected {name} to be a number, but got {text!r}") from None


def _fields(text: str, option: str, required: tuple[str, ...], allowed: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE fields, separated by commas."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not (equals and value) or name not in (*required, *allowed) or name in found:
            known = ", ".join((*required, *allowed))
            raise typer.BadParameter(f"Expected {option} with each of {known} at most once, but got {text!r}")
        found[name] = value
    lacking = [name for name in required if name not in found]
    if lacking:
        raise typer.BadParameter(f"Expected {', '.join(lacking)} in {option}, but got {text!r}")
    return found
