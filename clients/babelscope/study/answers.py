"""Finished requests on disk: each in a file of its own, there whole or not at all, checked when it is read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from babelscope.data.atomic import write_atomically
from babelscope.errors import StudyError
from babelscope.study.plan import STEP_FORMAT
from babelscope.study.result import PairUse, Row, read_record


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What one request gave.

    Attributes:
        rows: Its numbers.
        pairs: Items of each pair.
        truncated: Texts cut to fit, by language.
        tokens: Tokens computed, by language.
        seconds: How long it took.
        computed: Time of the answer, UTC.
        records: Records of a section, as JSON values.
    """

    rows: tuple[Row, ...]
    pairs: tuple[PairUse, ...]
    truncated: Mapping[str, int]
    tokens: Mapping[str, int]
    seconds: float
    computed: str
    records: tuple[Any, ...] = ()


class KeptAnswers:
    """The finished requests of a study's folder.

    Args:
        folder: Folder of the answers, with a file `KEY.json` for each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> KeptAnswer | None:
        """The answer under a key; None where there is none, or one that is damaged or of another format."""
        try:
            values = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(values, dict) or values.get("format") != STEP_FORMAT or values.get("key") != key:
            return None
        answer = values.get("answer")
        if _digest(answer) != values.get("digest"):
            return None
        try:
            return read_record(KeptAnswer, answer, str(self._path(key)))
        except StudyError:
            return None

    def keep(self, key: str, answer: KeptAnswer) -> None:
        """Writes an answer, whole or not at all."""
        values = asdict(answer)
        whole = {"format": STEP_FORMAT, "key": key, "digest": _digest(values), "answer": values}
        write_atomically(self._path(key), json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n")

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _digest(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
