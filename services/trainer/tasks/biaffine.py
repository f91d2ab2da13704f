"""The biaffine parser on an encoder (Dozat and Manning 2017, sections 2.2 and 2.3).

Four layers read each word at its first sub-word; arcs and relations are scored by biaffine products. The root stands at
the first token, [CLS], and is a candidate head like any word: the arc from it is trained as all others are.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.trainer.data.batches import Batch
from services.trainer.data.pieces import NO_TARGET
from services.trainer.tasks.base import Answer, Head, affine, generator
from services.trainer.tasks.trees import best_tree

ARC_WIDTH = 512
RELATION_WIDTH = 128
_STD = 0.02


class BiaffineHead(Head):
    """Scores of arcs and of their relations.

    Args:
        width: Width of the hidden states.
        relations: Number of relations.
        root: Place of the relation of the root; None where there is none.
        dropout: Dropout of the four layers' output.
        seed: Seed of the weights.
    """

    def __init__(self, width: int, relations: int, root: int | None, dropout: float, seed: int) -> None:
        super().__init__()
        draws = generator(seed)
        self.arc_dependent = affine(ARC_WIDTH, width, draws)
        self.arc_head = affine(ARC_WIDTH, width, draws)
        self.relation_dependent = affine(RELATION_WIDTH, width, draws)
        self.relation_head = affine(RELATION_WIDTH, width, draws)
        self.arcs = nn.Parameter(torch.empty(ARC_WIDTH + 1, ARC_WIDTH).normal_(0.0, _STD, generator=draws))
        both = RELATION_WIDTH + 1
        self.relations = nn.Parameter(torch.empty(relations, both, both).normal_(0.0, _STD, generator=draws))
        self._root, self._dropout = root, dropout

    def loss(self, hidden_TD: Tensor, batch: Batch) -> Tensor:
        """Sum over words that have a head: cross-entropy of the head, and of the relation given the right head."""
        words_MD = hidden_TD[batch.rows]
        places, there = batch.padded()
        heads = batch.targets("heads")
        arcs = functional.cross_entropy(
            self._arc_scores(words_MD, places, there)[there], heads, ignore_index=NO_TARGET, reduction="sum"
        )
        begins = torch.from_numpy(np.repeat(np.cumsum(batch.counts) - batch.counts, batch.counts)).to(heads.device)
        known = heads != NO_TARGET
        dependents = torch.nonzero(known).squeeze(1)
        scores = self._relation_scores(words_MD, dependents, (begins + heads)[known])
        relations = batch.targets("relations")[known]
        return arcs + functional.cross_entropy(scores, relations, ignore_index=NO_TARGET, reduction="sum")

    @torch.no_grad()
    def answers(self, hidden_TD: Tensor, batch: Batch) -> list[Answer]:
        """The best tree of each sentence with a single root, and the best relation of each of its arcs."""
        words_MD = hidden_TD[batch.rows]
        places, there = batch.padded()
        scores = self._arc_scores(words_MD, places, there).log_softmax(dim=-1).double().cpu().numpy()
        trees = [best_tree(scores[place, 1:count, :count]) for place, count in enumerate(batch.counts.tolist())]
        begins = np.cumsum(batch.counts) - batch.counts
        dependents = [begin + np.arange(1, len(tree) + 1) for begin, tree in zip(begins, trees, strict=True)]
        heads = [begin + tree for begin, tree in zip(begins, trees, strict=True)]
        device = words_MD.device
        scores_KL = self._relation_scores(
            words_MD,
            torch.from_numpy(np.concatenate(dependents)).to(device),
            torch.from_numpy(np.concatenate(heads)).to(device),
        )
        if self._root is not None:
            from_root = torch.from_numpy(np.concatenate(trees) == 0).to(device)
            wrong = torch.zeros_like(scores_KL, dtype=torch.bool)
            wrong[:, self._root] = True
            wrong[from_root] = ~wrong[from_root]
            scores_KL = scores_KL.masked_fill(wrong, -torch.inf)
        relations = np.split(scores_KL.argmax(dim=-1).cpu().numpy(), np.cumsum([len(tree) for tree in trees])[:-1])
        return [{"heads": tree, "relations": chosen} for tree, chosen in zip(trees, relations, strict=True)]

    def _arc_scores(self, words_MD: Tensor, places: Tensor, there: Tensor) -> Tensor:
        """[n, longest, longest]: for each word (the root first) the scores of all heads; -inf where there is none."""
        dependents = _with_one(self._layer(self.arc_dependent, words_MD)) @ self.arcs
        heads = self._layer(self.arc_head, words_MD)
        scores = dependents[places] @ heads[places].transpose(1, 2)
        return scores.masked_fill(~there[:, None, :], -torch.inf)

    def _relation_scores(self, words_MD: Tensor, dependents: Tensor, heads: Tensor) -> Tensor:
        """[k, relations] for k arcs."""
        of_dependents = _with_one(self._layer(self.relation_dependent, words_MD))[dependents]
        of_heads = _with_one(self._layer(self.relation_head, words_MD))[heads]
        return torch.einsum("ki,lij,kj->kl", of_dependents, self.relations, of_heads)

    def _layer(self, layer: nn.Linear, words_MD: Tensor) -> Tensor:
        return functional.dropout(functional.elu(layer(words_MD)), self._dropout, self.training)


def _with_one(x: Tensor) -> Tensor:
    """Rows with a 1 at their end, which makes a bilinear form affine."""
    return torch.cat((x, x.new_ones((len(x), 1))), dim=1)
