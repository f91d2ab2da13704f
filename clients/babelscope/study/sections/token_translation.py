"""Another language decoded by shifting hidden states (Liu et al. 2020, tables 1 to 3, figures 7 and 8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from babelscope.calls.options import FloatType
from babelscope.data.models import Model
from babelscope.errors import StudyError
from babelscope.study.design import Study
from babelscope.study.nodes import Node
from babelscope.study.result import ModelUse
from babelscope.study.sections.base import Asked, Found, Section, Services, ShowProgress, Task
from babelscope.study.values import get, layers, need, number, one_or_more
from babelscope.token_translation.means import LanguageMean, language_mean
from babelscope.token_translation.records import TokenTranslation, cells
from babelscope.token_translation.sweep import Sweep, translate

_ALPHAS: Final = (1.0, 2.0, 3.0)
_COMPUTE: Final[FloatType] = "float32"


@dataclass(frozen=True, slots=True)
class TranslationDesign:
    """What is asked.

    Attributes:
        source: Language of the texts.
        targets: Languages to which hidden states are shifted.
        both: Whether the other directions are asked as well.
        layers: Layers of the shift; all but the embeddings where None.
        alphas: Factors of the shift.
        models: Labels of models; all of the study where None.
        samples: Texts that are shown.
    """

    source: str
    targets: tuple[str, ...]
    both: bool = False
    layers: tuple[int, ...] | None = None
    alphas: tuple[float, ...] = _ALPHAS
    models: tuple[str, ...] | None = None
    samples: int = 3

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Directions."""
        there = tuple((self.source, target) for target in self.targets)
        return there + tuple((target, source) for source, target in there) if self.both else there


def read(node: Node, study: Study) -> tuple[TranslationDesign, ...]:
    """The section of a study file: one sweep, or a list of them."""
    return one_or_more(node, lambda item: _read(item, study))


def _read(node: Node, study: Study) -> TranslationDesign:
    keys = node.mapping("from", "to", "both", "layers", "alphas", "models", "samples")
    source = need(node, keys, "from").choice(*study.languages)
    targets = one_or_more(need(node, keys, "to"), lambda item: item.choice(*study.languages))
    if source in targets:
        keys["to"].fail(f"languages other than {source}", source)
    labels = [model.label for model in study.models]
    return TranslationDesign(
        source=source,
        targets=targets,
        both=get(keys, "both", Node.boolean, False),
        layers=get(keys, "layers", layers, None),
        alphas=get(keys, "alphas", lambda item: one_or_more(item, number), _ALPHAS),
        models=get(keys, "models", lambda item: one_or_more(item, lambda one: one.choice(*labels)), None),
        samples=get(keys, "samples", lambda item: item.integer(0), 3),
    )


def plan(designs: tuple[TranslationDesign, ...], asked: Asked) -> list[Task]:
    """A request for every sweep, model and direction."""
    return [task for design in designs for use in _models(design, asked) for task in _tasks(design, use, asked)]


def _models(design: TranslationDesign, asked: Asked) -> tuple[ModelUse, ...]:
    """The models asked for, each once."""
    chosen = [use for use in asked.uses if design.models is None or use.label in design.models]
    return tuple({use.used: use for use in chosen}.values())


def _tasks(design: TranslationDesign, use: ModelUse, asked: Asked) -> list[Task]:
    """The directions of one model, which share the means of languages."""
    asked.check_layers("token_translation.layers", design.layers, use)
    for pair in design.pairs:
        if not asked.texts.corpus.pair(*pair)[0]:
            raise StudyError(f"Expected ids that both {pair[0]} and {pair[1]} have (token_translation), but got none")
    sweep = Sweep(
        Model(use.used, use.revision),
        design.layers or tuple(range(1, use.layers + 1)),
        design.alphas,
        samples=design.samples,
        overflow=asked.study.overflow,
        compute_dtype=_COMPUTE,
    )
    means: dict[str, LanguageMean] = {}
    return [_task(pair, use, asked, sweep, means) for pair in design.pairs]


def _task(pair: tuple[str, str], use: ModelUse, asked: Asked, sweep: Sweep, means: dict[str, LanguageMean]) -> Task:
    def depends(found: Found) -> dict[str, Any]:
        del found
        return {
            **asked.encoded([use], pair),
            "token_translation": [*pair, list(sweep.layers), list(sweep.alphas), sweep.samples],
        }

    def ask(mesh: Services, found: Found, show: ShowProgress | None) -> Sequence[TokenTranslation]:
        del found
        for language in pair:
            if language not in means:
                means[language] = language_mean(
                    mesh.encoder, asked.texts.corpus.texts[language], model=sweep.model, layers=sweep.layers,
                    overflow=sweep.overflow, compute_dtype=sweep.compute_dtype, progress=show,
                )  # fmt: skip
        return [translate(mesh, asked.texts.corpus, pair, means, sweep, progress=show)]

    settings = len(sweep.settings) - 1
    return Task(f"token translation of {pair[0]} to {pair[1]} under {settings} shifts, {use.used}", depends, ask)


SECTION = Section("token_translation", TokenTranslation, read, plan, cells)
