"""The same models through CTranslate2, several times as fast on processors; converted once and kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelscope.data.atomic import partial_folder

from services.datagen.translation.conversions import Conversions
from services.datagen.translation.model_files import digest
from services.datagen.translation.tokenizing import SourceTokenizer
from services.runtime.errors import FailedPrecondition

_GROWTH, _SLACK = 2, 16


class CTranslateEngine:
    """A converted model.

    Args:
        folder: Folder of the model, with safetensors.
        conversions: Keeps what is converted, by the digest of the model's files.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        threads: Cores; CTranslate2's own choice where 0.

    Raises:
        FailedPrecondition: CTranslate2 is not installed, or does not know such models.
    """

    def __init__(self, folder: Path, conversions: Conversions, device: str, threads: int = 0) -> None:
        try:
            import ctranslate2
        except ImportError as error:
            raise FailedPrecondition(
                "ctranslate", "Expected the package ctranslate2: install the extra `datagen`, or take `transformers`"
            ) from error
        self._tokenizer = SourceTokenizer(folder)
        converted = _converted(folder, conversions)
        kind, _, index = device.partition(":")
        self._translator: Any = ctranslate2.Translator(
            str(converted), device=kind, device_index=int(index or 0), intra_threads=threads
        )
        self.longest = self._tokenizer.limit

    def length(self, text: str) -> int:
        """Source tokens of a text."""
        return self._tokenizer.length(text)

    def generate(self, texts: Sequence[str], source: str, target: str, beam: int) -> list[str]:
        """Translates a batch.

        Raises:
            InvalidArgument: The model does not know one of the languages.
        """
        batch, forced = self._tokenizer.encode(texts, source, target)
        prefix = self._tokenizer.tokens([forced]) if forced is not None else []
        found = self._translator.translate_batch(
            [self._tokenizer.tokens(ids) for ids in batch],
            target_prefix=[prefix] * len(batch) if prefix else None,
            beam_size=beam,
            max_decoding_length=min(_GROWTH * max(map(len, batch)) + _SLACK, self.longest),
        )
        return self._tokenizer.decode([self._tokenizer.ids(one.hypotheses[0][len(prefix) :]) for one in found])


def _converted(folder: Path, conversions: Conversions) -> Path:
    """The conversion of a model, made where there is none; it appears whole or not at all."""
    import ctranslate2
    from safetensors import SafetensorError

    key = f"{digest(folder)}-ct2-{ctranslate2.__version__}"
    found = conversions.find(key)
    if found is not None:
        return found
    conversions.folder.mkdir(parents=True, exist_ok=True)
    with partial_folder(conversions.folder, "convert") as made:
        target = made / "model"
        try:
            ctranslate2.converters.TransformersConverter(str(folder)).convert(str(target))
        except (ValueError, KeyError, OSError, ImportError, SafetensorError) as error:
            raise FailedPrecondition(f"model {folder.name}", f"CTranslate2 cannot convert it: {error}") from error
        return conversions.keep(key, target)
