"""Small models of every family, as folders that transformers itself would write, with tokenizers built on the spot."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerFast

from services.datagen.preparation.vocabulary import learn_from
from tests.support.lines import LINES

VOCABULARY = 400
_LONGEST = 3
"""Letters of a part of a word."""
_DIMENSIONS = {"hidden_size": 48, "intermediate_size": 80, "num_attention_heads": 3, "num_hidden_layers": 4}

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "albert": {
        **_DIMENSIONS,
        "embedding_size": 24,
        "num_hidden_layers": 3,
        "num_hidden_groups": 2,
        "inner_group_num": 2,
        "max_position_embeddings": 256,
        "type_vocab_size": 2,
    },
    "bert": {**_DIMENSIONS, "max_position_embeddings": 256, "type_vocab_size": 2},
    "camembert": {**_DIMENSIONS, "max_position_embeddings": 258, "type_vocab_size": 1, "num_attention_heads": 1},
    "distilbert": {
        "dim": 40,
        "hidden_dim": 72,
        "n_heads": 5,
        "n_layers": 3,
        "max_position_embeddings": 256,
        "sinusoidal_pos_embds": False,
    },
    "electra": {**_DIMENSIONS, "embedding_size": 24, "max_position_embeddings": 256, "type_vocab_size": 2},
    "eurobert": {
        **_DIMENSIONS,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "mask_token_id": 4,
    },
    "modernbert": {
        **_DIMENSIONS,
        "num_hidden_layers": 5,
        "max_position_embeddings": 1024,
        "local_attention": 16,
        "global_attn_every_n_layers": 3,
    },
    "rembert": {
        **_DIMENSIONS,
        "input_embedding_size": 24,
        "output_embedding_size": 56,
        "max_position_embeddings": 256,
        "type_vocab_size": 2,
    },
    "roberta": {**_DIMENSIONS, "max_position_embeddings": 258, "type_vocab_size": 1, "hidden_act": "gelu_new"},
    "xlm-roberta": {**_DIMENSIONS, "num_attention_heads": 6, "max_position_embeddings": 260, "type_vocab_size": 1},
    "xlm-roberta-xl": {**_DIMENSIONS, "max_position_embeddings": 258, "type_vocab_size": 1},
}
"""transformers' settings by model type; odd numbers of heads, several layers, windows shorter than the texts."""

_SPECIALS = {
    "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "bytes": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "unigram": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
}
_KINDS = {
    "albert": "unigram",
    "bert": "wordpiece",
    "camembert": "unigram",
    "distilbert": "wordpiece",
    "electra": "wordpiece",
    "eurobert": "bytes",
    "modernbert": "bytes",
    "rembert": "unigram",
    "roberta": "bytes",
    "xlm-roberta": "unigram",
    "xlm-roberta-xl": "unigram",
}

TOKENIZER_CLASSES = {
    "bert": "BertTokenizer",
    "camembert": "CamembertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer",
    "modernbert": "PreTrainedTokenizerFast",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}
"""The classes that the families' published folders name, from which transformers rebuilds parts of a tokenizer."""


def _unigrams(specials: Sequence[str]) -> list[tuple[str, float]]:
    """Letters and frequent parts of words with their log-probabilities: the same in each process."""
    words = Counter("\u2581" + word for line in LINES for word in line.split())
    parts: Counter[str] = Counter()
    for word, times in words.items():
        for start in range(len(word)):
            for stop in range(start + 1, min(start + _LONGEST, len(word)) + 1):
                parts[word[start:stop]] += times
    letters = sorted(part for part in parts if len(part) == 1)
    longer = sorted((part for part in parts if len(part) > 1), key=lambda part: (-parts[part] * len(part), part))
    kept = [*letters, *longer[: VOCABULARY - len(specials) - len(letters)]]
    total = sum(parts[part] for part in kept)
    return [*((token, 0.0) for token in specials), *((part, math.log(parts[part] / total)) for part in kept)]


def build_tokenizer(family: str, kind: str = "") -> PreTrainedTokenizerFast:
    """A tokenizer of the family's kind, or of the kind given, trained on the lines above."""
    kind = kind or _KINDS[family]
    specials = list(_SPECIALS[kind])
    if kind == "wordpiece":
        pad, unknown, first, last, mask = specials
        normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
        words = Counter(word for line in LINES for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line)))
        # The package's own trainer numbers pieces in another order in each process.
        pieces = learn_from(words, VOCABULARY, kind="wordpiece", specials=specials, least=0).tokens
        tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token=unknown))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
        tokenizer.decoder = decoders.WordPiece()
    else:
        first, pad, last, unknown, mask = specials
        if kind == "bytes":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            trainer: Any = trainers.BpeTrainer(
                vocab_size=VOCABULARY,
                special_tokens=specials,
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            )
            tokenizer.train_from_iterator(LINES, trainer)
        else:
            tokenizer = Tokenizer(models.Unigram(_unigrams(specials), specials.index(unknown)))
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
            )
            tokenizer.decoder = decoders.Metaspace()
    ids = {token: tokenizer.token_to_id(token) for token in (first, last)}
    # Pairs as the published files of each kind have them: segments in the BERT family, two ends in the RoBERTa family.
    pair = f"{first} $A {last} {last} $B {last}"
    if first == "[CLS]":
        pair = f"{first} $A {last} $B:1 {last}:1"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=pair, special_tokens=list(ids.items())
    )
    if family == "roberta":
        tokenizer.post_processor = processors.RobertaProcessing(
            (last, ids[last]), (first, ids[first]), trim_offsets=True, add_prefix_space=False
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=unknown,
        pad_token=pad,
        cls_token=first,
        sep_token=last,
        mask_token=mask,
        model_max_length=256,
    )


def roughen(model: torch.nn.Module, seed: int) -> None:
    """Give a fresh model weights as uneven as trained ones: wide matrices, biases, norms away from 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.copy_(1.0 + 0.2 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(0.1 * noise)
            elif "embed" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise * 0.8 / parameter.shape[1] ** 0.5)


def build_model(family: str, folder: Path, *, head: bool = False, seed: int = 0, **settings: Any) -> Path:
    """Write a model folder.

    Args:
        family: transformers' model type.
        folder: Where to; made.
        head: Whether with its masked-language-model head, and so with prefixed names.
        seed: Of the weights.
        settings: Over the configuration above.
    """
    tokenizer = build_tokenizer(family)
    config = AutoConfig.for_model(
        family,
        **{
            **CONFIGURATIONS[family],
            "vocab_size": VOCABULARY,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
            "cls_token_id": tokenizer.cls_token_id,
            "sep_token_id": tokenizer.sep_token_id,
            **settings,
        },
    )
    model = (AutoModelForMaskedLM if head else AutoModel).from_config(config)
    roughen(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    name_class(folder, TOKENIZER_CLASSES.get(family, "PreTrainedTokenizerFast"))
    return folder


def name_class(folder: Path, name: str) -> None:
    """Write the name of a tokenizer's class into tokenizer_config.json."""
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(settings | {"tokenizer_class": name}), "utf-8")


def mixed_texts(count: int, seed: int = 0, longest: int = 40) -> list[str]:
    """Texts of very different lengths in all scripts of the lines, some shared out of several."""
    rng = np.random.default_rng(seed)
    words = [line.split() if " " in line else [line[i : i + 3] for i in range(0, len(line), 3)] for line in LINES]
    texts = []
    for _ in range(count):
        vocabulary: Sequence[str] = words[rng.integers(len(words))]
        size = int(np.clip(rng.lognormal(1.8, 0.9), 1, longest))
        texts.append(" ".join(rng.choice(np.array(vocabulary), size)))
    return texts
