"""Pairs of texts in one pack have the hidden states that transformers gives them with their segments."""

from pathlib import Path

import torch
from babelscope.data.examples import TextPair
from transformers import AutoModel, AutoTokenizer

from services.models.catalogue import ModelFiles
from services.models.layers.dropout import NO_DROPOUT
from services.models.layers.interventions import Interventions
from services.models.spec import ModelSpec
from services.trainer.data.batches import collate
from services.trainer.data.pieces import Counts
from services.trainer.evaluation.forward import last_hidden_state
from services.trainer.tasks import make_task
from services.trainer.tasks.base import Cutting
from services.trainer.training.encoder import TrainableEncoder
from tests.support.golden_model import build
from tests.support.task_examples import pairs


def test_segments_of_pairs_are_those_of_transformers(tmp_path: Path) -> None:
    folder = build(tmp_path / "golden")
    model = TrainableEncoder.load(ModelFiles(aliases={"golden": folder}), ModelSpec("golden"))
    task, examples = make_task("nli", {}), pairs(7)
    pieces = task.cut(examples, 0, Cutting(model.tokenizer, 64, task.labels(examples)), Counts())
    batch = collate(pieces, model.positions, "cpu")
    assert batch.layout.segments is not None
    with torch.no_grad():
        ours = last_hidden_state(model.build("float32", NO_DROPOUT), batch.layout, "float32", Interventions((), "cpu"))
        theirs, tokenizer = AutoModel.from_pretrained(folder).train(False), AutoTokenizer.from_pretrained(folder)
        for piece, first in zip(batch.pieces, batch.firsts.tolist(), strict=True):
            pair = examples[piece.example].content
            assert isinstance(pair, TextPair)
            given = tokenizer(pair.premise, pair.hypothesis, return_token_type_ids=True, return_tensors="pt")
            assert given["token_type_ids"].any()
            expected = theirs(**given).last_hidden_state[0]
            torch.testing.assert_close(ours[first : first + len(piece.text)], expected, rtol=0, atol=2e-5)
