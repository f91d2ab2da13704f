import numpy as np
import pytest
import torch
from babelscope.data.examples import Example, Sentence, Word

from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import InvalidArgument
from services.trainer.data.batches import Batch, collate
from services.trainer.data.pieces import NO_TARGET, Counts, Piece
from services.trainer.tasks import Task, make_task
from services.trainer.tasks.base import Cutting
from services.trainer.tasks.biaffine import BiaffineHead

TREE = Example(
    "t",
    Sentence(
        (
            Word("The", head=2, deprel="det"),
            Word("\u200b", head=3, deprel="nsubj"),
            Word("rose", head=0, deprel="root"),
            Word("night", head=3, deprel="obl:tmod"),
        ),
        "",
    ),
)


def _positions(ids: np.ndarray) -> np.ndarray:
    return np.arange(len(ids))


def _cut(tokenizer: Tokenizer, task: Task, max_tokens: int = 50) -> tuple[list[Piece], Counts]:
    counts = Counts()
    cutting = Cutting(tokenizer, max_tokens, task.labels([TREE]))
    return task.cut([TREE], 0, cutting, counts), counts


def test_relations_are_cut_at_the_colon_where_not_told_otherwise() -> None:
    assert make_task("parsing", {}).labels([TREE]) == {"deprel": ("det", "nsubj", "obl", "root")}
    assert make_task("parsing", {"subtypes": "keep"}).labels([TREE]) == {"deprel": ("det", "nsubj", "obl:tmod", "root")}


def test_a_word_whose_head_has_no_token_has_no_target(tokenizer: Tokenizer) -> None:
    [piece], counts = _cut(tokenizer, make_task("parsing", {}))
    assert piece.items.tolist() == [0, 1, 3, 4]
    assert piece.targets["heads"].tolist() == [NO_TARGET, NO_TARGET, 0, 2]
    assert piece.targets["relations"].tolist() == [NO_TARGET, 0, 3, 2]
    assert piece.rows[0] == 0
    assert piece.count == 2
    assert counts.lost == 1


@pytest.mark.parametrize("dropout", ["1", "-0.1", "much"])
def test_a_dropout_that_is_none_is_refused(dropout: str) -> None:
    with pytest.raises(InvalidArgument, match="number"):
        make_task("parsing", {"dropout": dropout})


def _batch(tokenizer: Tokenizer) -> Batch:
    rng = np.random.default_rng(0)
    examples = [
        Example(
            f"e{size}",
            Sentence(
                tuple(
                    Word(
                        "river",
                        head=0 if place == 0 else 1,
                        deprel="root" if place == 0 else str(rng.choice(["a", "b"])),
                    )
                    for place in range(size)
                ),
                "",
            ),
        )
        for size in (1, 4, 2, 4)
    ]
    task = make_task("parsing", {})
    return collate(
        task.cut(examples, 0, Cutting(tokenizer, 100, {"deprel": ("a", "b", "root")}), Counts()), _positions, "cpu"
    )


def test_the_loss_is_that_of_each_word_and_trains_the_arc_from_the_root(tokenizer: Tokenizer) -> None:
    batch = _batch(tokenizer)
    head = BiaffineHead(16, 3, 2, 0.0, seed=1)
    hidden_TD = torch.randn((len(batch.layout.ids), 16), generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = head.loss(hidden_TD, batch)
    expected = torch.zeros(())
    for piece, first in zip(batch.pieces, batch.firsts.tolist(), strict=True):
        words = hidden_TD[first + torch.from_numpy(piece.rows)]
        one = torch.ones((len(words), 1))
        layer = [
            torch.nn.functional.elu(each(words))
            for each in (head.arc_dependent, head.arc_head, head.relation_dependent, head.relation_head)
        ]
        arcs = torch.cat((layer[0], one), 1) @ head.arcs @ layer[1].T
        for word in range(1, len(words)):
            gold = int(piece.targets["heads"][word])
            expected = expected - arcs[word].log_softmax(0)[gold]
            dependent, governor = torch.cat((layer[2], one), 1)[word], torch.cat((layer[3], one), 1)[gold]
            scores = torch.stack([dependent @ matrix @ governor for matrix in head.relations])
            expected = expected - scores.log_softmax(0)[int(piece.targets["relations"][word])]
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    assert hidden_TD.grad is not None
    roots = hidden_TD.grad[batch.firsts]
    assert (roots.abs().sum(dim=1) > 0).all()


def test_only_the_arc_from_the_root_has_its_relation(tokenizer: Tokenizer) -> None:
    batch = _batch(tokenizer)
    head = BiaffineHead(16, 3, 2, 0.0, seed=1).train(False)
    for seed in range(5):
        hidden_TD = torch.randn((len(batch.layout.ids), 16), generator=torch.Generator().manual_seed(seed))
        for answer in head.answers(hidden_TD, batch):
            assert ((answer["heads"] == 0) == (answer["relations"] == 2)).all()
            assert (answer["heads"] == 0).sum() == 1
