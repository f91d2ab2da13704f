"""Names of languages and measures, as readers know them."""

from typing import Final

# English names by primary subtag (ISO 639-1 and 639-3). A tag that is not here goes by itself.
_LANGUAGES: Final = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "ara": "Arabic", "be": "Belarusian", "bg": "Bulgarian",
    "bn": "Bengali", "bul": "Bulgarian", "ca": "Catalan", "ces": "Czech", "cmn": "Mandarin", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "deu": "German", "el": "Greek", "ell": "Greek", "en": "English",
    "eng": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fin": "Finnish", "fr": "French", "fra": "French", "ga": "Irish", "gl": "Galician",
    "he": "Hebrew", "hi": "Hindi", "hin": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "ind": "Indonesian", "is": "Icelandic", "it": "Italian", "ita": "Italian", "ja": "Japanese",
    "jpn": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean", "kor": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "nb": "Norwegian", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pol": "Polish", "por": "Portuguese", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "rus": "Russian", "sk": "Slovak", "sl": "Slovenian", "spa": "Spanish", "sr": "Serbian",
    "sv": "Swedish", "sw": "Swahili", "swh": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tha": "Thai",
    "tl": "Tagalog", "tr": "Turkish", "tur": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "urd": "Urdu",
    "vi": "Vietnamese", "vie": "Vietnamese", "wo": "Wolof", "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip

_METRICS: Final = {
    "cka": "CKA", "rbf": "RBF CKA", "cca": "CCA", "svcca": "SVCCA", "pwcca": "PWCCA", "procrustes": "Procrustes",
    "neuron_correlation": "Neuron correlation", "cosine": "Cosine", "mrr": "MRR",
}  # fmt: skip


_COEFFICIENTS: Final = {"pearson": "Pearson’s r", "spearman": "Spearman’s ρ", "kendall": "Kendall’s τ"}


def language_name(tag: str) -> str:
    """The English name of a language, with its script or region where the tag has one: `Chinese (Hant)`."""
    primary, _, rest = tag.partition("-")
    name = _LANGUAGES.get(primary.lower())
    if name is None:
        return tag
    return f"{name} ({rest})" if rest else name


def coefficient_name(method: str) -> str:
    """A correlation by its author and letter: `Spearman’s ρ`."""
    return _COEFFICIENTS.get(method, method)


def metric_name(metric: str, estimator: str = "") -> str:
    """A metric with its estimator: `CKA, debiased`."""
    name = _METRICS.get(metric, metric.replace("p@", "P@"))
    return f"{name}, {estimator}" if estimator else name
