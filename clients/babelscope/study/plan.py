"""The requests that a study comes to, each with the digest of all that its numbers depend on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from babelscope.data.models import Model
from babelscope.errors import StudyError
from babelscope.study import interventions
from babelscope.study.design import Study
from babelscope.study.provenance import code_version
from babelscope.study.result import ModelUse, Variant
from babelscope.study.texts import StudyTexts

# Changes whenever a step's file changes in what it holds.
STEP_FORMAT = "babelscope-step/1"


@dataclass(frozen=True, slots=True)
class StudyStep:
    """One request to the metrics server.

    Attributes:
        kind: `similarity` or `retrieval`.
        use: The model used.
        variant: The model as it is, or under one RANDOM-INIT.
        model: The weights, as requests name them.
        pairs: Pairs of languages.
        centre: Whether retrieval subtracts each language's mean first.
        key: Digest of all that the numbers depend on.
    """

    kind: Literal["similarity", "retrieval"]
    use: ModelUse
    variant: Variant
    model: Model
    pairs: tuple[tuple[str, str], ...]
    centre: bool
    key: str

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the pairs, in order of appearance."""
        return tuple(dict.fromkeys(language for pair in self.pairs for language in pair))

    @property
    def summary(self) -> str:
        """What it asks, in words."""
        drawn = f", layers {self.variant.label} drawn anew (seed {self.variant.seed})" if self.variant.reinit else ""
        centred = ", centred" if self.centre else ""
        return f"{self.kind}{centred} of {len(self.pairs)} language pairs, {self.use.used}{drawn}"


def plan(study: Study, uses: Sequence[ModelUse], texts: StudyTexts) -> tuple[StudyStep, ...]:
    """The steps of a study, the models as they are first; a model used twice is measured once.

    Raises:
        StudyError: A layer or a group names one that the model does not have.
    """
    steps: list[StudyStep] = []
    for use in {use.used: use for use in uses}.values():
        _check_layers(study, use)
        for variant, model in variants(study, use):
            design = study.random_init if variant.reinit else None
            pairs = study.language_pairs(design.pairs if design else study.pairs)
            steps.append(_step(study, texts, use, "similarity", drawn=(variant, model), pairs=pairs))
            if study.retrieval and (design is None or design.retrieval):
                pairs = study.language_pairs(study.retrieval.pairs)
                for centre in study.retrieval.centre if design is None else study.retrieval.centre[:1]:
                    steps.append(
                        _step(study, texts, use, "retrieval", drawn=(variant, model), pairs=pairs, centre=centre)
                    )
    return tuple(steps)


def variants(study: Study, use: ModelUse) -> list[tuple[Variant, Model]]:
    """A model as it is, then under every RANDOM-INIT of the study."""
    plain = Model(use.used, use.revision)
    found = [(Variant(use.used, ""), plain)]
    if study.random_init:
        for label, layers in study.random_init.layers_of(use.layers).items():
            for seed in study.random_init.seeds:
                model = plain.reinit_layers(layers, seed, scheme=study.random_init.scheme)
                found.append((Variant(use.used, model.reinit_label, label, layers, seed), model))
    return found


def _check_layers(study: Study, use: ModelUse) -> None:
    for layer in study.layers or ():
        if layer > use.layers:
            raise StudyError(f"Expected `layers` within 0..{use.layers} for model {use.used}, but got {layer}")
    for label, layers in (study.random_init.layers_of(use.layers) if study.random_init else {}).items():
        if max(layers) > use.layers:
            raise StudyError(
                f"Expected `random_init.groups.{label}` within 1..{use.layers} for model {use.used}, "
                f"but got {max(layers)}"
            )


def _step(
    study: Study,
    texts: StudyTexts,
    use: ModelUse,
    kind: Literal["similarity", "retrieval"],
    *,
    drawn: tuple[Variant, Model],
    pairs: tuple[tuple[str, str], ...],
    centre: bool = False,
) -> StudyStep:
    variant, model = drawn
    languages = sorted({language for pair in pairs for language in pair})
    depends: dict[str, Any] = {
        "model": [use.used, use.revision, use.digest, variant.reinit],
        "encode": [study.pooling, study.layers, study.overflow],
        "alignment": study.alignment,
        "pairs": pairs,
        "data": {language: texts.digests[language] for language in languages},
        **({"computed": study.computed} if study.computed else {}),
        **interventions.depends(study.interventions),
        **_options(study, kind, centre),
    }
    return StudyStep(kind, use, variant, model, pairs, centre, step_key(kind, depends))


def step_key(kind: str, depends: Mapping[str, Any]) -> str:
    """Digest of all that a request's numbers depend on: its kind, JSON values, and this version of the package.

    Args:
        kind: `similarity`, `retrieval`, or a section's key.
        depends: What else they depend on.
    """
    whole = {"format": STEP_FORMAT, "code": code_version(), "kind": kind, **depends}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _options(study: Study, kind: str, centre: bool) -> Mapping[str, Any]:
    if kind == "similarity":
        measures = [each.depends for each in study.measures]
        return {"measures": measures, "standardise": study.standardise, "drop": study.drop_top_variance}
    assert study.retrieval is not None
    return {"similarities": study.retrieval.similarities, "centre": centre}
