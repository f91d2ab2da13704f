"""Tokenizers that transformers makes of SentencePiece's files, with texts prepared as those files say.

transformers 5 takes the pieces from the file, and how a text is prepared from the name of the class. Some classes leave
out the file's map of characters, some do not join spaces that the map has made, and ALBERT's takes away all marks where
the model was trained without combining characters alone (the published `preprocess_text`).
"""

import base64
import json
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from services.runtime.work import importing

FILES: Final = ("sentencepiece.bpe.model", "spiece.model", "spm.model", "sentencepiece.model", "tokenizer.model")
"""Names under which folders have SentencePiece's model."""
_JOINED: Final = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
_STRIPPED: Final = {"type": "Strip", "strip_left": True, "strip_right": True}
_SPLITS_AT_SPACES: Final = "WhitespaceSplit"


def prepare_as_filed(backend: Any, folder: Path) -> tuple[tuple[str, ...], str]:
    """Makes a tokenizer prepare texts as the folder's SentencePiece file says.

    Args:
        backend: The `tokenizers.Tokenizer` that transformers made of the file; its normaliser is replaced.
        folder: The model folder.

    Returns:
        What was done, a clause each, and the steps of the normaliser as JSON; nothing where transformers left nothing
        out, or there is no such file.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    spec = None if path is None else _spec(path)
    if path is None or spec is None:
        return (), ""
    written = json.loads(backend.to_str())
    steps = _steps(written["normalizer"])
    done = []
    if spec.precompiled_charsmap and all(step["type"] != "Precompiled" for step in steps):
        charsmap = base64.b64encode(spec.precompiled_charsmap).decode("ascii")
        steps.insert(0, {"type": "Precompiled", "precompiled_charsmap": charsmap})
        done.append(f"transformers leaves out the map of characters of {path.name}; texts are mapped by it")
    if spec.remove_extra_whitespaces and _SPLITS_AT_SPACES not in json.dumps(written["pre_tokenizer"]):
        mapped = [place for place, step in enumerate(steps) if step["type"] == "Precompiled"]
        if mapped and not _joins_and_strips(steps[mapped[-1] + 1 :]):
            steps[mapped[-1] + 1 : mapped[-1] + 1] = [_JOINED, _STRIPPED]
            done.append(f"transformers keeps spaces that {path.name} joins or takes away; texts have them joined")
    accents = next((place for place, step in enumerate(steps) if step["type"] == "StripAccents"), None)
    if accents is not None:
        # Precompiled maps no sequence of six bytes or more, and so leaves decomposed Hangul as it is: NFC comes before.
        taken = {"type": "Replace", "pattern": {"Regex": _combining()}, "content": ""}
        steps[accents : accents + 1] = [taken, {"type": "NFC"}]
        done.append("transformers takes vowel signs away with the accents; only combining characters are taken away")
    if not done:
        return (), ""
    backend.normalizer = _normalizer(steps)
    return tuple(done), json.dumps(steps)


def _spec(path: Path) -> Any:
    """The `NormalizerSpec` of SentencePiece's file; None where the file is another kind of model."""
    with importing:
        from google.protobuf.message import DecodeError
        from transformers.convert_slow_tokenizer import import_protobuf

    model = import_protobuf().ModelProto()  # type: ignore[no-untyped-call]
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError:
        return None
    return model.normalizer_spec


def _steps(normalizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a normaliser as tokenizer.json would have them, nested sequences laid open."""
    if normalizer is None:
        return []
    if normalizer["type"] == "Sequence":
        return [step for each in normalizer["normalizers"] for step in _steps(each)]
    return [normalizer]


def _joins_and_strips(steps: list[dict[str, Any]]) -> bool:
    """Whether steps make one space of several and take away those at the end."""
    joins = any(step["type"] == "Replace" and "{2,}" in step["pattern"].get("Regex", "") for step in steps)
    return joins and any(step["type"] == "Strip" and step["strip_right"] for step in steps)


def _normalizer(steps: list[dict[str, Any]]) -> Any:
    """The normaliser that tokenizer.json would describe by these steps."""
    from tokenizers import Tokenizer, models

    written = json.loads(Tokenizer(models.BPE()).to_str())
    written["normalizer"] = {"type": "Sequence", "normalizers": steps}
    return Tokenizer.from_str(json.dumps(written)).normalizer


@cache
def _combining() -> str:
    """A regular expression of all characters whose canonical combining class is not zero."""
    return "[" + "".join(f"\\x{{{first:X}}}-\\x{{{last:X}}}" for first, last in _ranges()) + "]"


def _ranges() -> Iterator[tuple[int, int]]:
    """First and last of each run of such characters."""
    combine = [bool(unicodedata.combining(chr(code))) for code in range(sys.maxunicode + 1)]
    edges = [code for code, (before, after) in enumerate(pairwise([False, *combine, False])) if before != after]
    return ((first, last - 1) for first, last in zip(edges[::2], edges[1::2], strict=True))
