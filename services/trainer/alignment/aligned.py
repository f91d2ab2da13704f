"""The loss of a batch while a layer is aligned: that of the task, and that of deceiving a discriminator."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from services.trainer.alignment.adversary import Adversary, Discriminator, Side, Tapped, Transform
from services.trainer.alignment.edits import LanguageInterventions, LayerEdits
from services.trainer.alignment.unlabelled import Stream
from services.trainer.data.batches import Batch, Batching
from services.trainer.data.pieces import Ints, Piece
from services.trainer.parallel.shares import shares
from services.trainer.parallel.team import Team

Forward = Callable[[Batch, LayerEdits, int | None], Tensor]
"""The hidden state of a batch at a layer under edits, the last one where none is named: [T, d]."""


class Alignment:
    """A layer that is aligned while a model is fine-tuned.

    A batch may be computed in portions, of one language or one length each; the discriminator sees the rows of all of
    them together, so that how a model's batches are cut changes no number. Until then the graphs of all portions are
    kept.

    Args:
        how: How the layer is aligned.
        transform: The transform layer.
        unlabelled: Pieces of the target languages.
        interventions: The other edits of hidden states.
        budget: Tokens that a batch does not exceed.
        seed: Seed of the order of the pieces, and of the discriminator's weights.
        device: Device of the model.
        team: The workers of the run.
    """

    def __init__(
        self,
        how: Adversary,
        transform: Transform,
        unlabelled: tuple[Piece, ...],
        interventions: LanguageInterventions,
        *,
        budget: int,
        seed: int,
        device: str,
        team: Team,
    ) -> None:
        self._how, self._transform, self._interventions = how, transform, interventions
        self._budget, self._device, self._team = budget, device, team
        self._stream = Stream(unlabelled, budget, seed)
        self._discriminator = Discriminator(how, transform.width, seed, device, team)

    def loss(
        self,
        forward: Forward,
        batching: Batching,
        head: Callable[[Tensor, Batch], Tensor],
        *,
        pieces: Sequence[Piece],
        own: Ints,
        number: int,
        figures: dict[str, float],
    ) -> Tensor:
        """Sum of a batch's terms with the alignment of the batch beside each; the discriminator learns first.

        All workers call this for every batch, also those that have no part of it: they learn with the others.

        Args:
            forward: The model.
            batching: How pieces become its batches.
            head: Sum of the task's terms by the last hidden state.
            pieces: The batch.
            own: Places of this worker's part.
            number: The batch of the run, from 0.
            figures: Receives what is told of the batch.

        Returns:
            This worker's part of the sum.
        """
        targets = self._stream.batch(number)
        mine = shares([len(piece.text) for piece in targets], self._team.size)[self._team.rank]
        states, ours = self._passed(forward, batching, [pieces[place] for place in own], None)
        _, theirs = self._passed(forward, batching, [targets[place] for place in mine], self._how.layer)
        source, target = Side(ours, _rows(pieces)), Side(theirs, _rows(targets))
        figures["discriminator_accuracy"] = self._discriminator.learn(source, target)
        alignment = self._discriminator.fooled(source, target)
        figures["alignment_loss"] = self._team.reduce((), float(alignment.detach()))
        loss = self._how.weight * sum(piece.count for piece in pieces) * alignment
        for hidden_TD, batch in states:
            loss = loss + head(hidden_TD, batch)
        return loss

    def state(self) -> Mapping[str, Tensor]:
        """Weights and moments of the discriminator."""
        return self._discriminator.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Sets them."""
        self._discriminator.restore(state)

    def _passed(
        self, forward: Forward, batching: Batching, pieces: list[Piece], upto: int | None
    ) -> tuple[list[tuple[Tensor, Batch]], Tensor]:
        """Hidden states of pieces by portion, and the transformed rows of all portions, [n, d]."""
        states: list[tuple[Tensor, Batch]] = []
        rows: list[Tensor] = []
        for some in batching.portions(pieces, self._budget) if pieces else ():
            batch = batching.collate(some, self._device)
            tapped = Tapped(self._interventions.of(batch), self._how.layer, self._transform)
            states.append((forward(batch, tapped, upto), batch))
            rows.append(tapped.content)
        # Rows of nothing have a gradient as well, zero, so that a worker without any can take part.
        nothing = torch.zeros(0, self._transform.width, device=self._device)
        return states, torch.cat(rows or [self._transform(nothing)])


def _rows(pieces: Sequence[Piece]) -> int:
    """Rows of pieces that are no special tokens."""
    return sum(int((~piece.text.special).sum()) for piece in pieces)
