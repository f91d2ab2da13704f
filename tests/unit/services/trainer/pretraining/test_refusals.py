"""What cannot be pretrained is refused, with the field or the set, what was expected and what was got."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from babelscope.corpora.vocabularies import to_examples
from babelscope.data.examples import Example
from babelscope.data.jobs.architecture import Architecture
from tokenizers import Tokenizer

from services.models.catalogue import ModelFiles
from services.models.spec import ModelSpec
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.pretraining.plan import Masking
from services.trainer.pretraining.pretrain import pretrain
from services.trainer.training.plan import LanguageSet
from tests.support.pretraining import DATASETS, plan, vocabulary


def _large() -> tuple[Example, ...]:
    """A vocabulary of more entries than the corpus has tokens."""
    tokenizer = Tokenizer.from_str(vocabulary())
    tokenizer.add_tokens([f"word{number}" for number in range(5000)])
    return tuple(to_examples(tokenizer.to_str()))


@pytest.mark.parametrize(
    ("datasets", "problem"),
    [
        ({"en": DATASETS["en"][:2], "sv": DATASETS["sv"][:2]}, "as many tokens as a step takes, 512, .* have 52"),
        ({"sv": ()}, "Expected text of sv in its train set, but got none"),
        ({"sv": (Example("1", " ", "sv"),)}, "Expected text of sv in its train set, but got none"),
        ({"dev-en": ()}, "Expected text of en in its dev set, but got none"),
        ({"datasets/vocabulary": _large()}, "Expected at most as many entries .*, 3380, but got 5045"),
        ({"datasets/vocabulary": tuple(to_examples("{}"))}, "Expected a tokenizer.json"),
        ({"datasets/vocabulary": ()}, "Expected one vocabulary of all languages, but got 0"),
        (
            {"datasets/vocabulary": tuple(to_examples(vocabulary().replace("[MASK]", "[GAP]")))},
            r"Expected the token \[MASK\] or <mask>, but the vocabulary has none",
        ),
    ],
)
def test_data_that_makes_no_model_is_refused(
    datasets: dict[str, tuple[Example, ...]], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(FailedPrecondition, match=problem):
        _run({}, tmp_path, {**DATASETS, **datasets})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"max_tokens": 33}, r"max_tokens: .*Expected a number within 6..32, but got 33"),
        (
            {"architecture": replace(plan().architecture or Architecture(), max_tokens=5)},
            r"architecture.max_tokens: .*Expected a longest input of at least 6 tokens, but got 5",
        ),
        ({"source": "fi"}, "Expected a language with a development set, en, sv, but got 'fi'"),
        ({"source": "fi", "dev": ()}, "Expected a language with a training set, en, sv, but got 'fi'"),
        ({"vocabulary": ""}, "Expected the vocabulary of a new model, but got none"),
        ({"architecture": None}, "but got neither"),
        ({"model": ModelSpec("x")}, "but got both"),
        ({"masking": Masking(rate=0.0)}, "Expected a number from 0 to 1, above 0, but got 0.0"),
        ({"masking": Masking(masked=0.75, random=0.5)}, "Expected at most 0.25, but got 0.5"),
        ({"exponent": 1.5}, "Expected a number from 0 to 1, but got 1.5"),
        ({"form": "words"}, "Expected one of text, pieces, ids, but got 'words'"),
        ({"train": ()}, "Expected at least one training set"),
        ({"train": (LanguageSet("en", "en"), LanguageSet("", "sv"))}, "Expected a language tag"),
        (
            {"train": (LanguageSet("en", "en"), LanguageSet("EN", "sv"))},
            r"train\[1\].language: .*Expected one spelling of a language, 'en', but got 'EN'",
        ),
        ({"architecture": Architecture("electra")}, "Expected one of bert, roberta, modernbert, but got 'electra'"),
        ({"architecture": Architecture(layers=0)}, "architecture.layers"),
        ({"architecture": Architecture()}, r"architecture.heads: Expected .*within 1\.\..*, but got 0"),
        (
            {"architecture": Architecture(hidden_size=30, heads=4, feed_forward=8)},
            "Expected a multiple of `heads`, 4, but got 30",
        ),
        ({"optimisation": plan(learning_rate=-1.0).optimisation}, "optimisation.learning_rate"),
    ],
)
def test_plans_that_cannot_be_carried_out_are_refused(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        _run(change, tmp_path, DATASETS)


def _run(change: dict[str, Any], folder: Path, datasets: dict[str, tuple[Example, ...]]) -> None:
    pretrain(
        replace(plan(), **change),
        files=ModelFiles(),
        examples=datasets.__getitem__,
        workdir=folder / "run",
        cache=folder,
    )
