"""tokenizer.json of a model folder: the tokenizer that its model was trained with.

transformers 5 rebuilds the normaliser, the pre-tokenizer and the model of a tokenizer from the name of its class, and
what it rebuilds is not always what the file says: WordPiece under a RoBERTa class is cut into characters, a cased
file is lower-cased, unknown characters become `<s>`. The file is what is served. The class is asked for one thing
only, the special tokens around a text where the file says nothing of them.
"""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.models.crashes import crash_of
from services.models.families.own import OWN
from services.models.tokens import sentencepiece
from services.runtime.errors import FailedPrecondition
from services.runtime.names import read_bounded
from services.runtime.work import importing

TOKENIZER_FILE = "tokenizer.json"
SLOW_FILES = (
    *sentencepiece.FILES,
    "vocab.txt",
    "vocab.json",
)
"""Files of slow tokenizers, from which transformers makes fast ones of most classes."""
SETTINGS_FILE = "tokenizer_config.json"
_MOST_SETTINGS_BYTES = 16 << 20
_CASED = 0.01
"""Share of a vocabulary with capital letters from which on it is one of cased words; lower-cased ones have none."""
_LANGUAGE_FILE = re.compile(r"tokenizer\.[A-Za-z0-9-]+\.json")
_PREFIXED = re.compile(rb'"continuing_subword_prefix"\s*:\s*"(?!")')

PROBES = (
    "The river rose in the night; she didn't see it.",
    "ISTANBUL İstanbul ısı DIŞARI straße STRASSE ǅ ﬁnal",
    "Les élèves, über, año, Đường phố, e\u0301te\u0301, A\u030angstro\u0308m",
    "Вечером дети слушали, Её, й и\u0306",
    "昨日は雨が降ったので、家で本を読む。 ﾊﾝｶｸ ＡＢＣ１２３",
    "市场里有很多新鲜的水果 中文ABC混排",
    "ذهبَ الصيّادُ إلى البحر ٣٤٥",
    "गाँव के पास क्षेत्र",
    "เมื่อวานนี้ฝนตกหนัก",
    "어제 시장에서 사과를 샀다 가나다",
    "  two  spaces\tand a tab\u00a0and no-break\u3000wide  ",
    "🦉👩‍👩‍👧 𐍈 \U000f0000 \ufffd ☃",
    "3.14 1,000,000 2026-11-28 a@b.example http://x.example/?q=1#z C++ don’t",
)
"""Several scripts, cases, accents composed and not, spaces, unknown characters, digits and signs."""


@dataclass(frozen=True)
class TokenizerFile:
    """What a folder's tokenizer.json became.

    Attributes:
        backend: A `tokenizers.Tokenizer`.
        truncation_side: End of a long text that is cut, `right` or `left`.
        difference: Digest of what tells this tokenizer from the one that transformers makes of the same folder; empty
            where both give the same tokens.
        notes: What was done, a sentence each.
        limit: `model_max_length` of tokenizer_config.json; None where it names none.
    """

    backend: Any
    truncation_side: str = "right"
    difference: str = ""
    notes: tuple[str, ...] = ()
    limit: int | None = None


def read_tokenizer(folder: Path, subject: str) -> TokenizerFile:
    """The tokenizer that tokenizer.json describes, compared with the one that transformers makes of the folder.

    Args:
        folder: The model folder.
        subject: What to call it in errors.

    Raises:
        FailedPrecondition: There is no fast tokenizer, it needs code of its own, or it does not load.
    """
    check_files({path.name for path in folder.glob("*") if path.is_file()}, subject)
    settings = _settings(folder / SETTINGS_FILE)
    if settings.get("auto_map"):
        raise FailedPrecondition(subject, "its tokenizer names code of its own (`auto_map`), which is never run")
    _check_merges(folder / TOKENIZER_FILE, subject)
    from tokenizers import Tokenizer

    given = (folder / TOKENIZER_FILE).is_file()
    try:
        backend = Tokenizer.from_file(str(folder / TOKENIZER_FILE)) if given else _converted(folder)
    except BaseException as error:
        problem = f"its tokenizer does not load: {crash_of(error)}"
        if not given:
            problem = (
                f"Expected a fast tokenizer, but the folder has no {TOKENIZER_FILE}, and transformers makes none of "
                f"its other files: {crash_of(error)}"
            )
        raise FailedPrecondition(subject, problem) from error
    side = settings.get("truncation_side", (backend.truncation or {}).get("direction", "right"))
    if side not in ("right", "left"):
        raise FailedPrecondition(
            subject, f"Expected `truncation_side` in {SETTINGS_FILE} to be 'right' or 'left', but got {side!r}"
        )
    for one in (backend.no_truncation, backend.no_padding):
        one()
    limit, sizes = settings.get("model_max_length"), _settings(folder / "config.json")
    found = (
        _compared(backend, side, _by_class(folder), sizes.get("vocab_size")) if given else _made(backend, side, folder)
    )
    return replace(found, limit=limit if type(limit) is int else None)


def language_file(language: str) -> str:
    """Name of the file that cuts the texts of a language, where the vocabularies of a model are joined."""
    return f"tokenizer.{language}.json"


def is_language_file(name: str) -> bool:
    """Whether a file of a model folder cuts the texts of one language."""
    return _LANGUAGE_FILE.fullmatch(name) is not None


def read_language(folder: Path, language: str, subject: str) -> Any:
    """The `tokenizers.Tokenizer` of a language that has one of its own.

    Raises:
        FailedPrecondition: It does not load.
    """
    path = folder / language_file(language)
    _check_merges(path, subject)
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except BaseException as error:
        raise FailedPrecondition(subject, f"{path.name} does not load: {crash_of(error)}") from error


def check_files(present: Collection[str], subject: str) -> None:
    """Make sure that a folder has a fast tokenizer, or files of which transformers makes one.

    Raises:
        FailedPrecondition: It has neither.
    """
    if not any(name in present for name in (TOKENIZER_FILE, *SLOW_FILES)):
        raise FailedPrecondition(
            subject,
            f"Expected a fast tokenizer, but the folder has no {TOKENIZER_FILE}, and none of the files from which one "
            f"can be made: {', '.join(SLOW_FILES)}",
        )


def _converted(folder: Path) -> Any:
    """The fast tokenizer that transformers makes of a slow one's files.

    Raises:
        ValueError: It makes none of this class.
    """
    with importing:
        from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    if not loaded.is_fast:
        raise ValueError(f"a {type(loaded).__name__} has no fast tokenizer")
    return loaded.backend_tokenizer


def _made(backend: Any, side: str, folder: Path) -> TokenizerFile:
    """The tokenizer made of a slow one's files, with texts prepared as SentencePiece's file or the vocabulary says."""
    note = f"the folder has no {TOKENIZER_FILE}; texts get the tokens that transformers makes of its other files"
    done, steps = sentencepiece.prepare_as_filed(backend, folder)
    if not done and _keeps_case(backend, folder):
        backend.normalizer.lowercase = False
        steps = "lowercase=false"
        done = (
            f"the vocabulary has capital letters and {SETTINGS_FILE} has no `do_lower_case`; texts keep their case",
        )
    difference = hashlib.sha256(steps.encode()).hexdigest() if done else ""
    return TokenizerFile(backend, side, difference, (note, *done))


def _keeps_case(backend: Any, folder: Path) -> bool:
    """Whether transformers makes texts lower case because nothing is said, and the vocabulary is one of cased words."""
    if "do_lower_case" in _settings(folder / SETTINGS_FILE) or not getattr(backend.normalizer, "lowercase", False):
        return False
    added = {token.content for token in backend.get_added_tokens_decoder().values()}
    words = [word for word in backend.get_vocab(with_added_tokens=False) if word not in added]
    return len([word for word in words if word != word.lower()]) > _CASED * len(words)


def _check_merges(path: Path, subject: str) -> None:
    """Refuses merges that do not have the prefix of pieces within words: the library ends the process on some of them.

    It cuts the prefix off the second part of a merge by its length in bytes, maybe within a character, and an error
    message that is no UTF-8 is the end.
    """
    try:
        data = path.read_bytes()
        if not _PREFIXED.search(data):
            return
        model = json.loads(data)["model"]
        prefix, merges = model["continuing_subword_prefix"], model.get("merges") or ()
        seconds = [merge.split(" ")[-1] if isinstance(merge, str) else merge[-1] for merge in merges]
        odd = [second for second in seconds if not second.startswith(prefix)]
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError):
        return  # the library says what is wrong
    if odd:
        raise FailedPrecondition(
            subject,
            f"its tokenizer does not load: Expected the second part of each merge in {TOKENIZER_FILE} to begin with "
            f"`continuing_subword_prefix`, {prefix!r}, but got {odd[0]!r}",
        )


def _compared(backend: Any, side: str, rebuilt: Any, vocab_size: object) -> TokenizerFile:
    """The file's tokenizer, with tokens that other files add to it, for which the model's table has `vocab_size` rows.

    Where the file has no post-processor it gets the special tokens of the class.
    """
    if rebuilt is None:
        return TokenizerFile(backend, side)
    notes, parts = [], []
    if added := _add_missing(backend, rebuilt, vocab_size):
        parts += added
        notes.append(f"{TOKENIZER_FILE} lacks tokens that other files add, which are served: {', '.join(added)}")
    if backend.post_processor is None and _adds_known_tokens(rebuilt, backend):
        backend.post_processor = rebuilt.post_processor
        parts.append(_around(backend))
        notes.append(
            f"{TOKENIZER_FILE} has no post-processor, so texts get the special tokens of their tokenizer's class: "
            f"{_around(backend)}"
        )
    differing = [text for text in PROBES if _ids(backend, text) != _ids(rebuilt, text)]
    if differing:
        parts.append(TOKENIZER_FILE)
        notes.append(
            f"transformers cuts {len(differing)} of {len(PROBES)} probe texts differently from {TOKENIZER_FILE}, for "
            f"example {differing[0]!r}; the tokens served are those of {TOKENIZER_FILE}"
        )
    difference = hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else ""
    return TokenizerFile(backend, side, difference, tuple(notes))


def _add_missing(backend: Any, rebuilt: Any, vocab_size: object) -> list[str]:
    """Adds the tokens that added_tokens.json or the settings name and the file lacks, where the model's table has them.

    A folder has such a file where a slow tokenizer got the tokens and the file of its base lies beside.
    """
    known = backend.get_vocab(with_added_tokens=True)
    given: dict[int, Any] = rebuilt.get_added_tokens_decoder()
    found = []
    for number, token in sorted(given.items()):
        fits = isinstance(vocab_size, int) and number < vocab_size
        if token.content not in known and fits and number == backend.get_vocab_size(with_added_tokens=True):
            (backend.add_special_tokens if token.special else backend.add_tokens)([token])
            found.append(token.content)
    return found


def _by_class(folder: Path) -> Any:
    """The tokenizer that transformers makes of a folder; None where it makes none, as then the file is all there is."""
    if _settings(folder / "config.json").get("model_type") in OWN:
        return None
    with importing:
        from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        rebuilt = loaded.backend_tokenizer
        rebuilt.no_truncation()
        rebuilt.no_padding()
    except BaseException as error:
        crash_of(error)
        return None
    return rebuilt


def _adds_known_tokens(rebuilt: Any, backend: Any) -> bool:
    """Whether a tokenizer puts tokens around a text, all of which the other has under the same ids."""
    around = _ids(rebuilt, "")
    return (
        around is not None
        and len(around) > 0
        and all(rebuilt.id_to_token(token) == backend.id_to_token(token) for token in around)
    )


def _around(backend: Any) -> str:
    """The special tokens around a text, as they are written."""
    return " ".join(backend.id_to_token(token) or "" for token in (_ids(backend, "") or []))


def _ids(backend: Any, text: str) -> Sequence[int] | None:
    """Token ids of a text; None where the tokenizer fails on it."""
    try:
        ids: Sequence[int] = backend.encode(text, add_special_tokens=True).ids
    except BaseException as error:
        crash_of(error)
        return None
    return ids


def _settings(path: Path) -> dict[str, Any]:
    """A file of settings; empty where there is none that can be read, which is transformers' business alone."""
    try:
        loaded = json.loads(read_bounded(path, _MOST_SETTINGS_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
