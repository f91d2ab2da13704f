"""The languages of the shared data, each in the ways in which its tag may be spelled."""

SPELLINGS = {
    "ar": ("ara", "arb", "arb_Arab"), "bg": ("bul", "bul_Cyrl"), "cs": ("ces", "cze", "ces_Latn"), "da": ("dan",),
    "de": ("deu", "ger", "deu_Latn"), "el": ("ell", "gre", "ell_Grek"), "en": ("eng", "eng_Latn"),
    "es": ("spa", "spa_Latn"), "fi": ("fin", "fin_Latn"), "fr": ("fra", "fre", "fra_Latn"), "hi": ("hin", "hin_Deva"),
    "hr": ("hrv",), "id": ("ind", "in", "ind_Latn"), "it": ("ita",), "ja": ("jpn", "jpn_Jpan"),
    "ko": ("kor", "kor_Hang"),
    "pl": ("pol",), "pt": ("por",), "ru": ("rus", "rus_Cyrl"), "sk": ("slk", "slo"), "sl": ("slv",), "sr": ("srp",),
    "sv": ("swe",), "sw": ("swh", "swa", "swh_Latn"), "th": ("tha", "tha_Thai"), "tr": ("tur", "tur_Latn"),
    "ur": ("urd", "urd_Arab"), "vi": ("vie", "vie_Latn"), "zh": ("cmn", "zho", "chi", "cmn_Hans", "zho_Hans"),
}  # fmt: skip
"""ISO 639-1 code: codes of ISO 639-3 and 639-2, deprecated ones, and those with a script."""

REGIONS = {
    "ar": "EG", "cs": "CZ", "da": "DK", "el": "GR", "en": "US", "hi": "IN", "ja": "JP", "ko": "KR", "pt": "BR",
    "sl": "SI", "sr": "RS", "sv": "SE", "sw": "KE", "ur": "PK", "vi": "VN", "zh": "CN",
}  # fmt: skip
"""A region of each language; elsewhere its own code is one."""


def all_spellings(*, regions: bool = True) -> list[tuple[str, str]]:
    """(ISO 639-1 code, spelling) of every language, spelled in every way, with the case changed, and with a region."""
    found = []
    for short, others in SPELLINGS.items():
        region = REGIONS.get(short, short.upper())
        for tag in (short, *others):
            found += [(short, each) for each in (tag, tag.upper(), tag.replace("_", "-"))]
            if regions:
                found.append((short, f"{tag}-{region}"))
        if regions:
            found.append((short, f"{short}_{region}"))
    return list(dict.fromkeys(found))
