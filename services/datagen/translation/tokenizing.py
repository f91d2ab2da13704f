"""The tokenizer of a sequence-to-sequence model, with the tokens that tell it the languages."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.datagen.translation.languages import code
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.work import importing

_LONGEST = 512
_REMEMBERED = 4096
"""Characters of the longest text whose length is remembered."""


class SourceTokenizer:
    """Texts to token ids and back.

    Args:
        folder: Folder of the model.

    Raises:
        FailedPrecondition: transformers is not installed, or the folder holds no tokenizer that it reads.
    """

    def __init__(self, folder: Path) -> None:
        try:
            with importing:
                from transformers import AutoTokenizer
        except ImportError as error:
            raise FailedPrecondition(
                "transformers", "Expected the package transformers: install the extra `datagen`"
            ) from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, ImportError) as error:
            raise FailedPrecondition(f"model {folder.name}", f"its tokenizer cannot be loaded: {error}") from error
        self._vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        self.padding: int = self._tokenizer.pad_token_id or 0
        self.limit = min(self._tokenizer.model_max_length, _LONGEST)
        self._known_length = lru_cache(maxsize=1 << 14)(self._length)

    def length(self, text: str) -> int:
        """Tokens of a text, with one for each language; of short texts, which come again, it is remembered."""
        return self._known_length(text) if len(text) <= _REMEMBERED else self._length(text)

    def _length(self, text: str) -> int:
        return len(self._tokenizer(text).input_ids) + 2  # a token for each language

    def encode(self, texts: Sequence[str], source: str, target: str) -> tuple[list[list[int]], int | None]:
        """The ids of texts, and the id with which the translation begins where the model is told its language so.

        Raises:
            InvalidArgument: The model knows many languages, and not one of these.
        """
        known = self._vocabulary.__contains__
        ours, theirs = code(source, known), code(target, known)
        if theirs.startswith(">>"):
            texts = [f"{theirs} {text}" for text in texts]
            return self._ids(texts), None
        if self._multilingual and not (ours and theirs):
            missing = source if not ours else target
            raise InvalidArgument("options[target]", f"Expected languages that the model knows, but got {missing!r}")
        if not theirs:
            return self._ids(texts), None
        # M2M-100 calls its languages by their tags, NLLB by its tokens.
        self._tokenizer.src_lang = ours.strip("_") if ours.startswith("__") else ours
        return self._ids(texts), self._vocabulary[theirs]

    @property
    def _multilingual(self) -> bool:
        return any(token in self._vocabulary for token in ("__en__", "eng_Latn"))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self._tokenizer(list(texts)).input_ids
        return found

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens of ids."""
        found: list[str] = self._tokenizer.convert_ids_to_tokens(list(ids))
        return found

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The ids of tokens."""
        found: list[int] = self._tokenizer.convert_tokens_to_ids(list(tokens))
        return found

    def decode(self, batch: Sequence[Sequence[int]]) -> list[str]:
        """The texts of ids, without special tokens."""
        found: list[str] = self._tokenizer.batch_decode(batch, skip_special_tokens=True)
        return [text.strip() for text in found]
