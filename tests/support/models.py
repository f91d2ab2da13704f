"""Small real models, made anew by the tests."""

import json
from pathlib import Path

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "bird",
    "sees",
    "eats",
    "red",
    "old",
    "house",
    "river",
    "and",
    "in",
    "on",
    "now",
    "then",
]


def make_root(root: Path) -> Path:
    """A root with small models, and folders that cannot be served.

    `tiny` is a BERT of 2 blocks, d = 32, 64 tokens; `other` likewise, with its masked-language-model head.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast, set_seed

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    for seed, name in enumerate(("tiny", "other")):
        set_seed(seed)
        config = BertConfig(
            vocab_size=len(pieces),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        (BertForMaskedLM if name == "other" else BertModel)(config).save_pretrained(root / name)
        fast.save_pretrained(root / name)
    pickled = root / "pickled"
    pickled.mkdir()
    for part in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (pickled / part).write_bytes((root / "tiny" / part).read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    foreign = root / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    return root
