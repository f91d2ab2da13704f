"""Language tags as codes of translation models: `zh` is `__zh__` (M2M-100), `zho_Hans` (NLLB), `>>cmn<<` (Marian)."""

from collections.abc import Callable, Iterator

import langcodes
from babelscope.data.languages import Language, read_tag

# Canonical language: ISO 639-3 (or what the models use), script.
_CODES = {
    "af": "afr_Latn", "am": "amh_Ethi", "ar": "arb_Arab", "az": "azj_Latn", "be": "bel_Cyrl", "bg": "bul_Cyrl",
    "bn": "ben_Beng", "bs": "bos_Latn", "ca": "cat_Latn", "cs": "ces_Latn", "cy": "cym_Latn", "da": "dan_Latn",
    "de": "deu_Latn", "el": "ell_Grek", "en": "eng_Latn", "es": "spa_Latn", "et": "est_Latn", "eu": "eus_Latn",
    "fa": "pes_Arab", "fi": "fin_Latn", "fr": "fra_Latn", "ga": "gle_Latn", "gl": "glg_Latn", "gu": "guj_Gujr",
    "ha": "hau_Latn", "he": "heb_Hebr", "hi": "hin_Deva", "hr": "hrv_Latn", "hu": "hun_Latn", "hy": "hye_Armn",
    "id": "ind_Latn", "ig": "ibo_Latn", "is": "isl_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "jv": "jav_Latn",
    "ka": "kat_Geor", "kk": "kaz_Cyrl", "km": "khm_Khmr", "kn": "kan_Knda", "ko": "kor_Hang", "ky": "kir_Cyrl",
    "lo": "lao_Laoo", "lt": "lit_Latn", "lv": "lvs_Latn", "mk": "mkd_Cyrl", "ml": "mal_Mlym", "mn": "khk_Cyrl",
    "mr": "mar_Deva", "ms": "zsm_Latn", "my": "mya_Mymr", "ne": "npi_Deva", "nl": "nld_Latn", "no": "nob_Latn",
    "pa": "pan_Guru", "pl": "pol_Latn", "ps": "pbt_Arab", "pt": "por_Latn", "ro": "ron_Latn", "ru": "rus_Cyrl",
    "si": "sin_Sinh", "sk": "slk_Latn", "sl": "slv_Latn", "so": "som_Latn", "sq": "als_Latn", "sr": "srp_Cyrl",
    "sv": "swe_Latn", "sw": "swh_Latn", "ta": "tam_Taml", "te": "tel_Telu", "th": "tha_Thai", "fil": "tgl_Latn",
    "tr": "tur_Latn", "uk": "ukr_Cyrl", "ur": "urd_Arab", "uz": "uzn_Latn", "vi": "vie_Latn", "xh": "xho_Latn",
    "yo": "yor_Latn", "zh": "zho_Hans", "zu": "zul_Latn",
}  # fmt: skip
_SHORT = {"fil": "tl", "nb": "no"}
"""M2M-100's name of a language where it is not the canonical one."""
_MARIAN = {"ar": "ara", "zh": "cmn", "ms": "zsm_Latn", "fa": "pes"}


def code(tag: str, known: Callable[[str], bool]) -> str:
    """The token by which a model knows a language.

    Args:
        tag: Language tag.
        known: Whether the model's vocabulary has a token.

    Returns:
        The token; empty where it has none, as a model of one pair of languages.
    """
    return next(filter(known, _candidates(read_tag(tag))), "")


def _candidates(language: Language) -> Iterator[str]:
    """Tokens that may stand for a language: its own first, in its own script, then those of its macrolanguage."""
    for short in dict.fromkeys((language.language, language.base)):
        long = _CODES.get(short, "")
        iso = long.partition("_")[0]
        yield f"__{_SHORT.get(short, short)}__"
        yield from (f"{each}_{language.script}" for each in (_iso(short), iso) if each and language.script)
        if long:
            yield long
        names = (language.tag, language.canonical, short, _MARIAN.get(short, iso), _iso(short), iso, long)
        yield from (f">>{each}<<" for each in names if each)


def _iso(language: str) -> str:
    """ISO 639-3 code; empty where there is none."""
    try:
        return langcodes.Language.make(language=language).to_alpha3()
    except LookupError:
        return ""
