"""The transforms by name. A new one is one new file of this folder and one line here."""

from collections.abc import Mapping
from typing import Any

from services.datagen.transforms.back_translate import BackTranslate
from services.datagen.transforms.base import Resources, Transform
from services.datagen.transforms.code_switch import CodeSwitch
from services.datagen.transforms.cut_streams import CutStreams
from services.datagen.transforms.cut_subwords import CutSubwords
from services.datagen.transforms.deduplicate import Deduplicate
from services.datagen.transforms.learn_vocabulary import LearnVocabulary
from services.datagen.transforms.measure_anchors import MeasureAnchors
from services.datagen.transforms.mix_domains import MixDomains
from services.datagen.transforms.normalise import Normalise
from services.datagen.transforms.permute_vocabulary import PermuteVocabulary
from services.datagen.transforms.prefix_language import PrefixLanguage
from services.datagen.transforms.recover_answers import RecoverAnswers
from services.datagen.transforms.reorder import Reorder
from services.datagen.transforms.sample_languages import SampleLanguages
from services.datagen.transforms.segment import Segment
from services.datagen.transforms.slice_window import SliceWindow
from services.datagen.transforms.split import Split
from services.datagen.transforms.subsample import Subsample
from services.datagen.transforms.swap_language_of import SwapLanguageOf
from services.datagen.transforms.translate import Translate
from services.runtime.errors import InvalidArgument
from services.runtime.options import OptionInfo, Place, describe, read
from services.runtime.suggestions import closest

# Any: each class's constructor takes options of its own type.
TRANSFORMS: dict[str, Any] = {
    transform.name: transform
    for transform in (
        BackTranslate,
        CodeSwitch,
        CutStreams,
        CutSubwords,
        Deduplicate,
        LearnVocabulary,
        MeasureAnchors,
        MixDomains,
        Normalise,
        PermuteVocabulary,
        PrefixLanguage,
        RecoverAnswers,
        Reorder,
        SampleLanguages,
        Segment,
        SliceWindow,
        Split,
        Subsample,
        SwapLanguageOf,
        Translate,
    )
}


def describe_options(name: str) -> tuple[OptionInfo, ...]:
    """The options of a transform."""
    return describe(TRANSFORMS[name].Options)


def create(name: str, options: Mapping[str, str], resources: Resources, seed: int, *, step: int = 0) -> Transform:
    """Builds a transform from a step of a request.

    Args:
        name: The transform's name.
        options: Its options as strings.
        resources: What it may ask the service for.
        seed: The request's seed.
        step: Position of the step in the request, from 0.

    Raises:
        InvalidArgument: There is no such transform, or an option is unknown, missing or wrong.
    """
    if name not in TRANSFORMS:
        near = closest(name, TRANSFORMS)
        hint = f"; did you mean {near[0]}?" if near else ""
        names = ", ".join(sorted(TRANSFORMS))
        raise InvalidArgument(f"spec.steps[{step}].name", f"Expected one of {names}, but got {name[:80]!r}{hint}")
    kind = TRANSFORMS[name]
    parsed = read(kind.Options, options, Place(f"spec.steps[{step}].options"))
    try:
        transform: Transform = kind(parsed, resources, seed)
    except InvalidArgument as error:
        if not error.field.startswith("options["):
            raise
        # A transform that finds its options at odds does not know its place in the request.
        raise InvalidArgument(f"spec.steps[{step}].{error.field}", error.problem) from error
    return transform
