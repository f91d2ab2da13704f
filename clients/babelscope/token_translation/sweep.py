"""Shifts at several layers by several factors: decoded in one pass over the texts, and scored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from babelscope.calls.options import FloatType, Overflow
from babelscope.calls.predictions import visible
from babelscope.calls.scoring import Scores
from babelscope.corpora.parallel import ParallelCorpus
from babelscope.data.activations import Progress
from babelscope.data.examples import Example
from babelscope.data.models import Intervention, Model, Shift
from babelscope.data.texts import Text
from babelscope.errors import InvalidRequest
from babelscope.token_translation.means import LanguageMean
from babelscope.token_translation.records import ShiftFigure, ShiftOutput, ShiftSample, ShiftScores, TokenTranslation

ShowProgress = Callable[[Progress], None]

TEXTS_AT_ONCE: Final = 256
"""Texts whose predictions are held as arrays."""
_SCORE: Final = {"tokens": "words"}
"""Texts are pieces joined by spaces: what stands between spaces is a token."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is asked of every pair of languages.

    Attributes:
        model: The weights, with a masked-language-model head.
        layers: Layers at which hidden states are shifted.
        alphas: Factors of the shift.
        samples: Texts that are shown.
        overflow: Treatment of texts of too many tokens: `refuse` or `truncate`.
        compute_dtype: Arithmetic of the model.
        resamples: Bootstrap samples of the intervals.
    """

    model: Model
    layers: tuple[int, ...]
    alphas: tuple[float, ...] = (1.0, 2.0, 3.0)
    samples: int = 3
    overflow: Overflow = "refuse"
    compute_dtype: FloatType = "float32"
    resamples: int = 1000

    @property
    def settings(self) -> tuple[tuple[int | None, float], ...]:
        """Layer and factor of every setting, first that without a shift."""
        return ((None, 0.0), *((layer, alpha) for layer in self.layers for alpha in self.alphas))


def translate(
    mesh: Any,
    corpus: ParallelCorpus,
    pair: tuple[str, str],
    means: Mapping[str, LanguageMean],
    sweep: Sweep,
    *,
    progress: ShowProgress | None = None,
) -> TokenTranslation:
    """Token translation from one language into another (Liu et al. 2020, section 4.2).

    Args:
        mesh: Clients of the encoder and of the metrics server.
        corpus: Texts of both languages; those of ids that both have are translated and scored.
        pair: Language of the texts, and that of their references, to which the shift points.
        means: Means by language.
        sweep: Model, shifts and limits.
        progress: Function that is called as the work goes on.

    Raises:
        ValueError: The languages share no ids.
        Refused: The model has no masked-language-model head.
        RpcError: What the servers answer.
    """
    source, target = pair
    texts, references = corpus.pair(source, target)
    if not texts:
        raise ValueError(f"Expected ids that both {source} and {target} have, but they share none")
    shifts = {layer: means[source].shift_to(means[target], layer) for layer in sweep.layers}
    model_digest = means[source].model_digest
    settings = [
        () if layer is None else (Intervention(layer, Shift(shifts[layer], alpha, model_digest=model_digest)),)
        for layer, alpha in sweep.settings
    ]
    inputs: list[str] = []
    outputs: list[list[str]] = [[] for _ in settings]
    digest, cut = "", 0
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        found = mesh.encoder.predict_tokens(
            texts[start : start + TEXTS_AT_ONCE],
            model=sweep.model,
            settings=settings,
            log_probabilities=False,
            overflow=sweep.overflow,
            compute_dtype=sweep.compute_dtype,
            progress=_onwards(progress, start, len(texts)),
        )
        digest = found.model.digest
        cut += sum(text.truncated for text in found.texts)
        for place in range(len(found.texts)):
            inputs.append(" ".join(found.inputs(place)))
            for number, lines in enumerate(outputs):
                lines.append(" ".join(found.best(place, setting=number)))
    pieces, cut_references = _pieces(mesh.encoder, references, sweep)
    gold = [
        Example(text.id, wanted, language=target, attributes={"source": said})
        for text, wanted, said in zip(references, pieces, inputs, strict=True)
    ]
    scored = []
    sizes: dict[str, int] = {}
    warnings = [
        f"{number} of {len(texts)} texts of {language} were cut to what the model takes, and are scored as cut"
        for language, number in ((source, cut), (target, cut_references))
        if number
    ]
    for number, ((layer, alpha), lines) in enumerate(zip(sweep.settings, outputs, strict=True), start=1):
        if progress is not None:
            progress(Progress("score", number, len(settings), f"{source} to {target}"))
        marks = f"|shift:mean-difference|at:{layer}|alpha:{alpha:g}" if layer is not None else "|shift:none"
        figures: list[ShiftFigure] = []
        for answer in _scores(mesh.metrics, list(zip(lines, gold, strict=True)), target, sweep.resamples, warnings):
            for each in answer.estimates:
                if each.metric == "token_set_size":
                    sizes[each.estimator] = round(each.value)
                else:
                    signature = f"{each.signature}{marks}"
                    figures.append(ShiftFigure(each.metric, each.value, each.low, each.high, each.n, signature))
        scored.append(ShiftScores(layer, alpha, tuple(figures)))
    whole = TokenTranslation(
        model=str(sweep.model),
        digest=digest,
        source=source,
        target=target,
        texts=len(texts),
        source_tokens=means[source].tokens,
        target_tokens=means[target].tokens,
        source_set=sizes.get("source", 0),
        target_set=sizes.get("target", 0),
        shared_set=sizes.get("shared", 0),
        settings=tuple(scored),
        warnings=tuple(dict.fromkeys(warnings)),
    )
    return _with_samples(whole, texts, references, outputs, sweep)


def _onwards(progress: ShowProgress | None, start: int, total: int) -> ShowProgress | None:
    """Progress of one request as that of all."""
    if progress is None:
        return None
    return lambda told: progress(Progress(told.stage, start + told.done, total))


def _pieces(encoder: Any, texts: Sequence[Text], sweep: Sweep) -> tuple[list[str], int]:
    """Texts as their pieces joined by spaces, special tokens left out, and how many texts were cut."""
    found: list[str] = []
    cut = 0
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts[start : start + TEXTS_AT_ONCE]
        for text in encoder.tokenize(some, model=sweep.model, overflow=sweep.overflow):
            tokens = zip(text.tokens, text.token_ids, text.special, strict=True)
            found.append(" ".join(visible(piece, one) for piece, one, special in tokens if not special))
            cut += text.truncated
    return found, cut


def _scores(
    metrics: Any, items: list[tuple[str, Example]], language: str, resamples: int, warnings: list[str]
) -> Iterator[Scores]:
    """BLEU-1 and convert rate of one setting; without the latter where all tokens belong to both languages."""
    options = {**_SCORE, "resamples": resamples}
    yield metrics.score("bleu1", items, language=language, options=options)
    try:
        yield metrics.score("convert_rate", items, language=language, options=options)
    except InvalidRequest as error:
        if error.field != "items":
            raise
        warnings.append(f"A convert rate is left out: {error.message}")


def _with_samples(
    found: TokenTranslation,
    texts: Sequence[Text],
    references: Sequence[Text],
    outputs: Sequence[Sequence[str]],
    sweep: Sweep,
) -> TokenTranslation:
    """With the first texts, as they are without a shift and under all shifts at the layer of the highest BLEU-1."""
    chosen = [
        (layer, alpha, lines)
        for (layer, alpha), lines in zip(sweep.settings, outputs, strict=True)
        if layer in (None, found.best.layer)
    ]
    samples = tuple(
        ShiftSample(
            text.id,
            text.text,
            reference.text,
            tuple(ShiftOutput(layer, alpha, lines[place]) for layer, alpha, lines in chosen),
        )
        for place, (text, reference) in enumerate(zip(texts[: sweep.samples], references, strict=False))
    )
    return replace(found, samples=samples)
