"""Languages that a model must be told: which tag means which, and what is refused."""

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models
from transformers import AutoConfig

from services.models.general.languages import Languages, _matches, languages_of
from services.models.spec import TokenizedText
from services.runtime.errors import InvalidArgument

NLLB = Languages({"eng_Latn": 7, "zho_Hans": 8, "zho_Hant": 9, "arb_Arab": 10, "srp_Cyrl": 11}, "token")
MBART = Languages({"en_XX": 1, "zh_CN": 2, "my_MM": 3}, "token")
TABLE = {"de": 1, "en": 0}
XMOD = Languages({"en_XX": 0, "sw_KE": 1}, "lang_ids")


@pytest.mark.parametrize(
    ("languages", "tag", "code"),
    [
        (NLLB, "eng_Latn", 7), (NLLB, "en", 7), (NLLB, "EN", 7), (NLLB, "eng", 7), (NLLB, "zh", 8),
        (NLLB, "zh-Hant", 9), (NLLB, "ar", 10), (NLLB, "sr", 11), (MBART, "zh", 2), (MBART, "en-GB", 1),
        (MBART, "my", 3), (XMOD, "sw", 1),
    ],
)  # fmt: skip
def test_tags(languages: Languages, tag: str, code: int) -> None:
    assert languages.code(tag, "texts[0].language", "m") == code


@pytest.mark.parametrize(("tag", "got"), [("", "but got none"), ("fi", "but got 'fi'")])
def test_missing_and_unknown_languages_are_refused_with_those_there_are(tag: str, got: str) -> None:
    with pytest.raises(InvalidArgument, match=f"one of en_XX, my_MM, zh_CN, {got}") as caught:
        MBART.code(tag, "texts[3].language", "m")
    assert caught.value.field == "texts[3].language"


def test_tags_that_are_long_are_not_kept() -> None:
    """Four thousand of them may be as long as a message each."""
    before = _matches.cache_info().currsize
    for tag in ("en" + "-x" * 40, "e" * 100_000):
        with pytest.raises(InvalidArgument, match="one of en_XX, my_MM, zh_CN"):
            MBART.code(tag, "texts[0].language", "m")
    assert _matches.cache_info().currsize == before


def test_a_tag_that_may_mean_several_is_refused_with_them() -> None:
    both = Languages({"pt_BR": 0, "pt_AO": 1}, "langs")
    with pytest.raises(InvalidArgument, match="'pt-MZ', which may be pt_AO or pt_BR"):
        both.code("pt-MZ", "f", "m")


def test_a_token_takes_the_place_of_the_one_that_the_tokenizer_puts() -> None:
    special = np.array([True, False, False, True])
    nowhere = np.zeros(4, np.int32)
    text = TokenizedText(np.array([7, 8, 50, 2]), special, nowhere, nowhere, False, 4)
    # A language's token that is written in the text itself stays.
    assert NLLB.told(text, 9).ids.tolist() == [9, 8, 50, 2]
    assert XMOD.told(text, 1).language == 1
    assert XMOD.told(text, 1).ids.tolist() == text.ids.tolist()


@pytest.mark.parametrize(
    ("family", "settings", "expected"),
    [
        ("xlm", {"use_lang_emb": True, "n_langs": 2, "lang2id": TABLE}, Languages(TABLE, "langs")),
        ("xlm", {"use_lang_emb": False, "n_langs": 2, "lang2id": TABLE}, None),
        ("xmod", {"languages": ["en_XX", "sw_KE"]}, XMOD),
        ("albert", {}, None),
    ],
)  # fmt: skip
def test_what_a_configuration_says(family: str, settings: dict[str, Any], expected: Languages | None) -> None:
    assert languages_of(AutoConfig.for_model(family, **settings), Tokenizer(models.WordLevel({"a": 0}))) == expected
