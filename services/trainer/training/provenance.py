"""How a model was trained, for the checkpoint that keeps it."""

import json
from dataclasses import asdict

from babelscope.data.models import Model, Reinit

from services.models.spec import EngineName, ModelSpec
from services.trainer.training.plan import FineTunePlan


def provenance(plan: FineTunePlan, digest: str, engine: EngineName) -> dict[str, str]:
    """What determines a training besides the data's contents and the machine; nested values as JSON.

    Args:
        plan: The plan.
        digest: Digest of the weights before training, layers drawn anew included.
        engine: What computes the encoder.
    """
    return {
        "model": plan.model.name,
        "revision": plan.model.revision,
        "model_digest": digest,
        "engine": engine,
        "reinit": _json([asdict(draw) for draw in plan.model.reinit]),
        "frozen": _json(asdict(plan.frozen)),
        "interventions": _json([edit.digest for edit in plan.edits]),
        "label": reinit_label(plan.model),
        **_adversary(plan),
        "task": plan.task,
        "train": _json([[each.language, each.dataset] for each in plan.train]),
        "dev": _json([[each.language, each.dataset] for each in plan.dev]),
        "source": plan.source,
        "optimisation": _json(plan.optimisation.described()),
        "seed": str(plan.optimisation.seed),
    }


def _adversary(plan: FineTunePlan) -> dict[str, str]:
    if plan.adversary is None:
        return {}
    unlabelled = [[each.language, each.dataset] for each in plan.unlabelled]
    return {"adversary": _json({**asdict(plan.adversary), "unlabelled": unlabelled})}


def reinit_label(model: ModelSpec) -> str:
    """The layers drawn anew in short: `1-2@0`; empty where none are."""
    drawn = tuple(Reinit(each.layers, each.embeddings, each.seed, each.scheme) for each in model.reinit)
    return Model(model.name, reinit=drawn).reinit_label


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
