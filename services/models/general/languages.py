"""Encoders that must be told the language of each text: by a table, by an adapter, or by a token around the text.

XLM adds an embedding of the language to every token, X-MOD has adapters for each language, and mBART and NLLB read a
token that names the language of the text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import torch
from babelscope.data.languages import read_tag, same_language
from torch import Tensor

from services.models.spec import TokenizedText
from services.runtime.errors import InvalidArgument

_CODE: Final = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}|__[a-z]{2,3}__")
"""How tokens name a language: `en_XX` of mBART, `eng_Latn` of NLLB, `__en__` of M2M100."""
_LONGEST_TAG: Final = 64
"""Characters of a tag."""


@dataclass(frozen=True)
class Languages:
    """The languages of a model.

    Attributes:
        codes: The model's names of languages to what it takes for them: a row, the place of an adapter, or a token.
        way: Argument of the module that takes it for each token (`langs`) or for each text (`lang_ids`), the `token`
            that stands among the special tokens of a text, or the `parts` of a packed model that a language has of its
            own.
    """

    codes: Mapping[str, int]
    way: Literal["langs", "lang_ids", "token", "parts"]

    @property
    def names(self) -> tuple[str, ...]:
        """The model's names of languages, sorted."""
        return tuple(sorted(self.codes))

    def code(self, tag: str, field: str, model: str) -> int:
        """What the model takes for a language.

        Args:
            tag: BCP 47 tag, or the model's own name of a language.
            field: Path of the tag in the request.
            model: Name of the model, for the message; empty where there is only one.

        Raises:
            InvalidArgument: None is given, the model does not have it, or several of its languages have that name.
        """
        # A tag may be as long as a message: such a one is no name, and not kept.
        found = _matches(tag, self.names) if 0 < len(tag) <= _LONGEST_TAG else ()
        if len(found) == 1:
            return self.codes[found[0]]
        got = f"{tag!r}, which may be {' or '.join(found)}" if found else repr(tag) if tag else "none"
        who = f"model {model}" if model else "the model"
        raise InvalidArgument(
            field,
            f"Expected the text's language, which {who} must be told, one of {', '.join(self.names)}, but got {got}",
        )

    def told(self, text: TokenizedText, code: int) -> TokenizedText:
        """A text with its language."""
        if self.way != "token":
            return replace(text, language=code)
        markers = np.isin(text.ids, list(self.codes.values())) & text.special
        return replace(text, ids=np.where(markers, code, text.ids))

    def arguments(self, texts: Sequence[TokenizedText], ids_BT: Tensor) -> dict[str, Tensor]:
        """What the module is told of the languages of a batch, beside ids and mask."""
        if self.way == "token":
            return {}
        codes = torch.tensor([text.language or 0 for text in texts], device=ids_BT.device)
        return {"lang_ids": codes} if self.way == "lang_ids" else {"langs": codes[:, None].expand_as(ids_BT)}


def separate_languages(names: Sequence[str]) -> Languages | None:
    """The languages of a packed model that have parts of their own, in order; None where all share all of it."""
    return Languages({name: place for place, name in enumerate(names)}, "parts") if names else None


def languages_of(config: Any, backend: Any) -> Languages | None:
    """The languages that a model must be told; None where it needs none.

    Args:
        config: transformers' configuration.
        backend: A `tokenizers.Tokenizer`.
    """
    if getattr(config, "use_lang_emb", False) and getattr(config, "n_langs", 1) > 1:
        table = getattr(config, "lang2id", None) or {str(place): place for place in range(config.n_langs)}
        return Languages({str(name): int(row) for name, row in table.items() if int(row) < config.n_langs}, "langs")
    names = getattr(config, "languages", None)
    if config.model_type == "xmod" and isinstance(names, list | tuple):
        return Languages({str(name): place for place, name in enumerate(names)}, "lang_ids")
    around = [backend.id_to_token(token) or "" for token in backend.encode("", add_special_tokens=True).ids]
    if not any(_CODE.fullmatch(token) for token in around):
        return None
    added = backend.get_added_tokens_decoder()
    codes = {token.content: place for place, token in added.items() if token.special and _CODE.fullmatch(token.content)}
    return Languages(codes, "token")


@lru_cache(maxsize=4096)
def _matches(tag: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that may be meant by a tag: the very one, those that mean the same, or those of the same language."""
    if tag in names:
        return (tag,)
    plain = {name: name.strip("_") for name in names}
    same = tuple(name for name in names if same_language(plain[name], tag))
    if same:
        return same[:1]
    wanted = read_tag(tag)
    return tuple(name for name in names if read_tag(plain[name]).language == wanted.language)
