"""`babelscope translate-tokens`: another language decoded by shifting hidden states."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, cast

import typer

from babelscope.calls.options import FloatType, Overflow
from babelscope.cli.console import ProgressReport, note
from babelscope.cli.options import (
    ComputeTypeOption,
    FormatOption,
    MeshOptions,
    ModelOption,
    OverflowOption,
    RevisionOption,
    read_layers,
    read_named,
    read_numbers,
    with_options,
)
from babelscope.cli.output import Numbers, ResultOptions
from babelscope.corpora.parallel import ParallelCorpus, read_parallel
from babelscope.data.models import Model
from babelscope.token_translation.means import language_mean
from babelscope.token_translation.records import METRICS, TokenTranslation, cells
from babelscope.token_translation.sweep import Sweep, translate

_COLUMNS: Final = ("source", "target", "layer", "alpha", *METRICS, "n")


@dataclass(frozen=True, slots=True)
class ShiftOptions:
    """Shifts that are tried, and texts that they are tried on."""

    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="LIST",
            help="Layers at which hidden states are shifted, such as 7-11, where 0 is the embedding output; all but 0 "
            "if not given.",
        ),
    ] = None
    alphas: Annotated[str, typer.Option("--alphas", metavar="LIST", help="Factors of shifts, such as 1,2,3.")] = "1,2,3"
    both: Annotated[bool, typer.Option("--both", help="Translate in the other direction as well.")] = False
    sentences: Annotated[
        int, typer.Option("--sentences", min=0, help="Number of texts of each language, the first; all with 0.")
    ] = 0
    samples: Annotated[int, typer.Option("--samples", min=0, help="Number of translated texts in results.json.")] = 3

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors, each once."""
        return read_numbers(self.alphas, "--alphas")


@dataclass(frozen=True, slots=True)
class ArithmeticOptions:
    """How the model is run."""

    revision: RevisionOption = ""
    overflow: OverflowOption = "refuse"
    compute_dtype: ComputeTypeOption = "float32"

    def sweep(self, model: str, layers: tuple[int, ...], alphas: tuple[float, ...], samples: int) -> Sweep:
        """The sweep of a model over some layers."""
        return Sweep(
            Model(model, self.revision),
            layers,
            alphas,
            samples=samples,
            overflow=cast(Overflow, self.overflow),
            compute_dtype=cast(FloatType, self.compute_dtype),
        )


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("translate-tokens")(translate_tokens)


@with_options
def translate_tokens(
    *,
    model: ModelOption,
    source: Annotated[str, typer.Option("--from", metavar="LANGUAGE", help="Language of the texts.")],
    target: Annotated[
        list[str],
        typer.Option("--to", metavar="LANGUAGE", help="Language to which hidden states are shifted. May be repeated."),
    ],
    corpus: Annotated[
        list[str],
        typer.Option(
            "--corpus",
            metavar="LANGUAGE=FILE",
            help="Texts of one language, for its mean; those of ids that both languages have are translated and "
            "scored. Given once for each language.",
        ),
    ],
    shifts: ShiftOptions,
    format: FormatOption = None,  # noqa: A002
    encode: ArithmeticOptions,
    results: ResultOptions,
    mesh: MeshOptions,
) -> None:
    """Unsupervised token translation: hidden states shifted by the difference of two languages' means, then decoded.

    Every layer and factor is scored by BLEU-1 with its precision and brevity penalty and by the convert rate, all on
    the model's own tokens. The sweep runs the layers below a shift once.
    """
    files = read_named(corpus, "--corpus")
    pairs = _pairs(source, target, files, both=shifts.both)
    factors, chosen = shifts.factors, read_layers(shifts.layers)
    texts = read_parallel({language: files[language] for language in dict.fromkeys(sum(pairs, ()))}, format=format)
    if shifts.sentences:
        texts = ParallelCorpus({language: listed[: shifts.sentences] for language, listed in texts.texts.items()})
    for one, other in pairs:
        if not texts.pair(one, other)[0]:
            raise typer.BadParameter(f"Expected ids that both {one} and {other} have, but they share none")
    with mesh.open("encoder", "metrics", models=[model]) as opened, ProgressReport("Translating tokens") as report:
        layers = chosen or tuple(range(1, opened.encoder.get_model(Model(model, encode.revision)).layers + 1))
        sweep = encode.sweep(model, layers, factors, shifts.samples)
        # Asked first: a model without a head is refused before its means are computed.
        opened.encoder.predict_tokens(texts.texts[source][:1], model=sweep.model, overflow=sweep.overflow)
        means = {
            language: language_mean(
                opened.encoder, listed, model=sweep.model, layers=layers, overflow=sweep.overflow,
                compute_dtype=sweep.compute_dtype, progress=report.update,
            )
            for language, listed in texts.texts.items()
        }  # fmt: skip
        found = [translate(opened, texts, pair, means, sweep, progress=report.update) for pair in pairs]
    for each in found:
        _tell(each)
    rows = [row for each in found for row in _rows(each)]
    record = {"kind": "token_translation", "translations": [asdict(each) for each in found]}
    results.give(Numbers(record, [row for each in found for row in cells(each)], rows, _COLUMNS))


def _pairs(source: str, targets: Sequence[str], files: dict[str, str], *, both: bool) -> list[tuple[str, str]]:
    """Directions, each once."""
    for language in (source, *targets):
        if language not in files:
            raise typer.BadParameter(f"Expected --corpus {language}=FILE, but got files of {', '.join(files)} only")
    if source in targets:
        raise typer.BadParameter(f"Expected another language in --to than in --from, but got {source} in both")
    if unused := [language for language in files if language not in {source, *targets}]:
        raise typer.BadParameter(f"Expected --corpus only of languages in --from and --to, but got {unused[0]}")
    there = [(source, target) for target in dict.fromkeys(targets)]
    return there + [(target, source) for source, target in there] if both else there


def _rows(found: TokenTranslation) -> list[dict[str, Any]]:
    """A row a setting."""
    return [
        {
            "source": found.source, "target": found.target,
            "layer": "" if each.layer is None else each.layer, "alpha": each.alpha,
            **{metric: "" if each.value(metric) is None else each.value(metric) for metric in METRICS},
            "n": found.texts,
        }
        for each in found.settings
    ]  # fmt: skip


def _tell(found: TokenTranslation) -> None:
    """What stands out of one direction."""
    for warning in found.warnings:
        note(f"Beware: {warning}")
    best = found.best
    note(
        f"{found.source} to {found.target}: best BLEU-1 {best.value('bleu1'):.2f} at layer {best.layer} by "
        f"{best.alpha:g}, without a shift {found.plain.value('bleu1'):.2f}; n = {found.texts} texts, means over "
        f"{found.source_tokens} and {found.target_tokens} tokens; token sets {found.source_set} and "
        f"{found.target_set}, shared {found.shared_set}"
    )
