"""A small Marian model that learns a small dictionary by heart: a real sequence-to-sequence model, within seconds."""

import random
from pathlib import Path
from typing import Any

_SOURCE = "the a cat dog bird house tree river king queen book red big old sees eats finds likes in near and water"
_TARGET = (
    "ze ein katze hund vogel haus baum fluss könig königin buch rot gross alt sieht isst findet mag in nahe und wasser"
)
PAIRS = dict(zip(_SOURCE.split(), _TARGET.split(), strict=True))
"""English words to those of an invented German without cases or capital letters."""

_MARKS = (".", "?")
_LONGEST = 12
_STEPS = 600
_BATCH = 16
_RATE = 5e-3
_SPREAD = 0.1
"""Deviation of the first weights: with the usual 0.02 positions drown the words for hundreds of steps."""


def word_by_word(text: str) -> str:
    """What the model should say."""
    words = [PAIRS.get(word, word) for word in text.rstrip(".?").split()]
    return " ".join(words) + text[len(text.rstrip(".?")) :]


def train(folder: Path, *, reverse: bool = False) -> None:
    """Trains a model and its tokenizer into a folder, as safetensors.

    Args:
        folder: Receives the model.
        reverse: From the German to the English words.
    """
    import torch
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    tokenizer = _tokenizer()
    size = len(tokenizer)
    shape: dict[str, Any] = {
        f"{part}_{name}": value
        for part in ("encoder", "decoder")
        for name, value in (("layers", 1), ("attention_heads", 4), ("ffn_dim", 128))
    }
    config = MarianConfig(
        vocab_size=size,
        d_model=64,
        max_position_embeddings=64,
        pad_token_id=size - 1,
        eos_token_id=0,
        decoder_start_token_id=size - 1,
        forced_eos_token_id=None,
        bos_token_id=None,
        dropout=0.0,
        scale_embedding=True,
        init_std=_SPREAD,
        **shape,
    )
    model = MarianMTModel(config)
    optimiser = torch.optim.Adam(model.parameters(), lr=_RATE, fused=True)
    chance = random.Random(0)
    for step in range(_STEPS):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min((step + 1) / 50, (_STEPS - step) / 200, 1.0)
        pairs = [_pair(chance, reverse) for _ in range(_BATCH)]
        source = tokenizer([left for left, _ in pairs], return_tensors="pt", padding=True)
        labels = tokenizer([right for _, right in pairs], return_tensors="pt", padding=True).input_ids
        labels = labels.masked_fill(labels == size - 1, -100)
        loss = model(input_ids=source.input_ids, attention_mask=source.attention_mask, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():  # Marian begins its translations from zero
            model.get_input_embeddings().weight[size - 1] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [f"▁{word}" for word in sorted({*PAIRS, *PAIRS.values()})]
    # Marian's padding token comes last.
    vocabulary = {token: i for i, token in enumerate(["</s>", "<unk>", *words, *_MARKS, "<pad>"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


def _pair(chance: random.Random, reverse: bool) -> tuple[str, str]:
    words = [chance.choice(list(PAIRS)) for _ in range(chance.randint(1, _LONGEST))]
    text = " ".join(words) + chance.choice(["", *_MARKS])
    pair = text, word_by_word(text)
    return (pair[1], pair[0]) if reverse else pair
