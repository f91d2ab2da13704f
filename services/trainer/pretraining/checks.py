"""What a plan must be before anything is loaded."""

import math
from typing import get_args

from babelscope.data.jobs.architecture import Architecture, Separation
from babelscope.data.languages import spelling

from services.models.families import fields
from services.models.families.separable import tags_expected
from services.runtime.errors import InvalidArgument
from services.trainer.pretraining.plan import FAMILIES, Form, PretrainPlan
from services.trainer.training.checks import check_optimisation


def check(plan: PretrainPlan) -> None:
    """Refuse a plan that cannot be carried out, whatever the model and the data.

    Raises:
        InvalidArgument: Names the field of the request, what was expected and what was got.
    """
    if not plan.train:
        raise InvalidArgument("train", "Expected at least one training set, but got none")
    if (plan.model is None) == (plan.architecture is None):
        got = "neither" if plan.model is None else "both"
        raise InvalidArgument(
            "model", f"Expected a model to go on from, or the architecture of a new one, but got {got}"
        )
    if bool(plan.vocabulary) != (plan.architecture is not None):
        expected = "the vocabulary of a new model, but got none"
        if plan.model is not None:
            expected = f"none, as the model has one, but got {plan.vocabulary!r}"
        raise InvalidArgument("vocabulary", f"Expected {expected}")
    if plan.architecture is not None:
        _check_architecture(plan.architecture)
        if plan.architecture.separation is not None:
            _check_separation(plan, plan.architecture.separation)
    if plan.form not in get_args(Form):
        raise InvalidArgument("form", f"Expected one of {', '.join(get_args(Form))}, but got {plan.form!r}")
    languages = [each.language for each in plan.train]
    for place, language in enumerate(languages):
        if not language and len(languages) > 1:
            raise InvalidArgument(f"train[{place}].language", "Expected a language tag where there are several sets")
        # Two spellings would be two languages, each with a share of its own.
        usual = spelling(language, languages[:place])
        if usual not in (None, language):
            raise InvalidArgument(
                f"train[{place}].language", f"Expected one spelling of a language, {usual!r}, but got {language!r}"
            )
    shares = plan.masking
    for name, value, least in (
        ("language_exponent", plan.exponent, 0.0),
        ("mask_rate", shares.rate, math.nextafter(0.0, 1.0)),
        ("masked", shares.masked, 0.0),
        ("random", shares.random, 0.0),
    ):
        if not least <= value <= 1:
            raise InvalidArgument(name, f"Expected a number from 0 to 1{', above 0' * bool(least)}, but got {value}")
    if shares.within_language:
        for place, each in enumerate(plan.dev):
            if each.language not in languages:
                raise InvalidArgument(
                    f"dev[{place}].language",
                    f"Expected a language with a training set, {', '.join(plan.tags)}, but got {each.language!r}",
                )
    if shares.masked + shares.random > 1:
        raise InvalidArgument("random", f"Expected at most {1 - shares.masked:g}, but got {shares.random}")
    if plan.dev and plan.chosen_source not in {each.language for each in plan.dev}:
        raise InvalidArgument(
            "source",
            f"Expected a language with a development set, {', '.join(each.language for each in plan.dev)}, but got "
            f"{plan.chosen_source!r}",
        )
    if plan.chosen_source not in languages and not plan.dev:
        raise InvalidArgument(
            "source", f"Expected a language with a training set, {', '.join(plan.tags)}, but got {plan.chosen_source!r}"
        )
    check_optimisation(plan.optimisation)
    for name, number in (("max_tokens", plan.max_tokens), ("threads", plan.threads)):
        if number < 0:
            raise InvalidArgument(name, f"Expected a number from 0, but got {number}")


def _check_architecture(architecture: Architecture) -> None:
    if architecture.family not in FAMILIES:
        raise InvalidArgument(
            "architecture.family", f"Expected one of {', '.join(FAMILIES)}, but got {architecture.family!r}"
        )
    for name, most in (
        ("layers", fields.MOST_LAYERS),
        ("hidden_size", fields.MOST),
        ("heads", fields.MOST),
        ("feed_forward", fields.MOST),
        ("max_tokens", fields.MOST),
    ):
        value = getattr(architecture, name)
        if expected := fields.whole(1, most)(value):
            raise InvalidArgument(f"architecture.{name}", f"Expected {expected}, but got {value}")
    if architecture.hidden_size % architecture.heads:
        raise InvalidArgument(
            "architecture.hidden_size",
            f"Expected a multiple of `heads`, {architecture.heads}, but got {architecture.hidden_size}",
        )
    if expected := fields.number(0.0, 10.0)(architecture.initializer_range):
        raise InvalidArgument(
            "architecture.initializer_range", f"Expected {expected}, but got {architecture.initializer_range}"
        )


def _check_separation(plan: PretrainPlan, separation: Separation) -> None:
    """The languages of the sets are those of the model."""
    made = plan.architecture
    assert made is not None
    if made.family != "bert":
        raise InvalidArgument(
            "architecture.family", f"Expected bert where `separation` is given, but got {made.family!r}"
        )
    if not 0 <= separation.layers <= made.layers:
        raise InvalidArgument(
            "architecture.separation.layers", f"Expected a number within 0..{made.layers}, but got {separation.layers}"
        )
    for place, each in enumerate(plan.train):
        if expected := tags_expected([each.language]):
            raise InvalidArgument(
                f"train[{place}].language",
                f"Expected a language tag, by which the model knows its parts ({expected}), but got {each.language!r}",
            )
    for place, each in enumerate(plan.dev):
        if each.language not in plan.tags:
            raise InvalidArgument(
                f"dev[{place}].language",
                f"Expected a language with a training set, {', '.join(plan.tags)}, but got {each.language!r}",
            )
