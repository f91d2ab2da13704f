"""Marian, M2M-100, NLLB and other sequence-to-sequence models through transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.datagen.translation.tokenizing import SourceTokenizer
from services.runtime.errors import FailedPrecondition
from services.runtime.work import importing

_GROWTH, _SLACK = 2, 16
"""A translation may have so many times the tokens of its source, and so many more."""


class TransformersEngine:
    """A model on a processor or a GPU.

    Args:
        folder: Folder of the model, with safetensors.
        device: `cpu`, `cuda`, `cuda:0`; a GPU where there is one for `auto`.

    Raises:
        FailedPrecondition: The packages are not installed, or the folder holds no such model.
    """

    def __init__(self, folder: Path, device: str) -> None:
        try:
            import torch
            from safetensors import SafetensorError

            with importing:
                from transformers import AutoModelForSeq2SeqLM
        except ImportError as error:
            raise FailedPrecondition(
                "transformers", "Expected the packages torch and transformers: install the extra `datagen`"
            ) from error
        self._tokenizer = SourceTokenizer(folder)
        try:
            model: Any = AutoModelForSeq2SeqLM.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, SafetensorError) as error:
            raise FailedPrecondition(f"model {folder.name}", f"cannot be loaded: {error}") from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._torch, self._device = torch, device
        self._model = model.to(device).train(False)
        limit = getattr(model.config, "max_position_embeddings", None) or self._tokenizer.limit
        self._limit = min(limit, self._tokenizer.limit)
        self.longest = self._limit

    def length(self, text: str) -> int:
        """Source tokens of a text."""
        return self._tokenizer.length(text)

    def generate(self, texts: Sequence[str], source: str, target: str, beam: int) -> list[str]:
        """Translates a batch.

        Raises:
            InvalidArgument: The model does not know one of the languages.
        """
        batch, forced = self._tokenizer.encode(texts, source, target)
        width = max(map(len, batch))
        torch = self._torch
        ids = torch.full((len(batch), width), self._tokenizer.padding)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        options = {} if forced is None else {"forced_bos_token_id": forced}
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                num_beams=beam,
                do_sample=False,
                max_length=None,
                max_new_tokens=min(_GROWTH * width + _SLACK, self._limit - 1),
                **options,
            )
        return self._tokenizer.decode(made.tolist())
