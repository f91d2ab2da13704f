"""The masked-language-model objective: streams with tokens masked, logits at these alone, perplexity by language."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from services.models.layers.blocks import Layout
from services.models.layers.heads import LanguageHeads
from services.models.layers.interventions import Interventions
from services.models.layers.packing import by_language, pack
from services.models.spec import TokenizedText
from services.models.tokens.tokenization import Tokenizer
from services.models.weights import Encoder
from services.trainer.data.order import Step, by_length
from services.trainer.data.pieces import Ints
from services.trainer.evaluation.figures import SetFigures
from services.trainer.evaluation.forward import TYPES, last_hidden_state
from services.trainer.pretraining.folder import write_pretrained
from services.trainer.pretraining.head import TrainableHead
from services.trainer.pretraining.masking import Masker
from services.trainer.pretraining.order import LanguageOrder
from services.trainer.pretraining.perplexity import perplexity_figure
from services.trainer.pretraining.plan import Masking, PretrainPlan
from services.trainer.pretraining.streams import StreamSet
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.objective import Work
from services.trainer.training.plan import Optimisation

_MASKS, _DEV_MASKS = 1, 2
"""What tells the random streams of masks from that of the order, which the seed and the epoch alone determine."""


def masker_of(tokenizer: Tokenizer, masking: Masking, vocabulary: int) -> Masker:
    """The masker of a model's vocabulary.

    Args:
        tokenizer: The model's tokenizer, which has a mask token.
        masking: The shares.
        vocabulary: Rows of the word table, V; those that the tokenizer has no token for are never drawn.
    """
    backend = tokenizer.backend
    added = backend.get_added_tokens_decoder()
    special = np.ones(vocabulary, dtype=bool)
    special[[token for token in backend.get_vocab(with_added_tokens=True).values() if token < vocabulary]] = False
    special[[token for token, said in added.items() if said.special and token < vocabulary]] = True
    return Masker(masking, mask_id(tokenizer), np.flatnonzero(~special), special)


def mask_id(tokenizer: Tokenizer) -> int:
    """The id of the mask token; -1 where the tokenizer has none."""
    found = (tokenizer.backend.token_to_id(name) for name in ("[MASK]", "<mask>"))
    return next((token for token in found if token is not None), -1)


@dataclass(frozen=True, eq=False)
class MaskedStream:
    """A stream as the model sees it.

    Attributes:
        ids: [T] int64, special tokens and masks included.
        rows: [m] places that are predicted.
        labels: [m] the tokens that stood there.
        language: What the model takes for its language; None where it is not told.
    """

    ids: Ints
    rows: Ints
    labels: Ints
    language: int | None = None


@dataclass(frozen=True, eq=False)
class MaskedModelling:
    """The objective of pretraining.

    Attributes:
        plan: The plan, its optimisation filled in.
        encoder: The encoder.
        head: The head.
        train: Training sets.
        dev: Development sets.
        masker: Masks tokens.
        warnings: Warnings, in sentences.
        provenance: What determines the run, by name.
        device: Device of the model.
    """

    plan: PretrainPlan
    encoder: TrainableEncoder
    head: TrainableHead
    train: tuple[StreamSet, ...]
    dev: tuple[StreamSet, ...]
    masker: Masker
    warnings: tuple[str, ...]
    provenance: dict[str, str]
    device: str

    @property
    def optimisation(self) -> Optimisation:
        """How the model is optimised."""
        return self.plan.optimisation

    @cached_property
    def order(self) -> LanguageOrder:
        """The order of the streams; sets of one language share its budget."""
        how = self.optimisation
        sizes: dict[str, int] = {}
        for each in self._sorted:
            sizes[each.language] = sizes.get(each.language, 0) + each.counts.streams
        lengths = np.concatenate([each.lengths for each in self._sorted]) + self._frame_tokens
        budget = max(1, how.step_tokens // how.accumulation)
        return LanguageOrder(lengths, tuple(sizes.values()), self.plan.exponent, budget, how.accumulation, how.seed)

    @cached_property
    def _sorted(self) -> tuple[StreamSet, ...]:
        """Training sets, those of a language next to one another."""
        languages = list(dict.fromkeys(each.language for each in self.train))
        return tuple(sorted(self.train, key=lambda each: languages.index(each.language)))

    @cached_property
    def _firsts(self) -> Ints:
        """Place of the first stream of each set among all."""
        sizes = [each.counts.streams for each in self._sorted]
        firsts: Ints = np.cumsum(sizes) - np.asarray(sizes)
        return firsts

    @property
    def encoder_parameters(self) -> dict[str, torch.nn.Parameter]:
        """Parameters of the encoder."""
        return self.encoder.trained

    @property
    def head_parameters(self) -> dict[str, torch.nn.Parameter]:
        """Parameters of the head, without the word table."""
        return self.head.parameters

    @property
    def fingerprint(self) -> str:
        """Digest of all that determines the numbers."""
        plan = asdict(replace(self.plan, threads=0)) | {"optimisation": self.optimisation.described()}
        said: list[Any] = [plan, self.encoder.digest]
        said += [each.counts.digest for each in (*self._sorted, *self.dev)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def work(self, number: int, batches: Step, own: Step) -> Work:
        """The streams of a step, masked by a generator that the seed and the step alone determine.

        All streams of the step are masked at once: the masks do not depend on how it is cut into batches, nor on who
        computes which.
        """
        generator = np.random.default_rng([self.optimisation.seed % (1 << 64), _MASKS, number])
        places = np.concatenate(batches).tolist()
        masked = self._masked([self._stream(place) for place in places], generator)
        borders = np.cumsum([len(members) for members in batches])[:-1]
        members = np.split(np.arange(len(masked)), borders)
        portions = [[masked[place] for place in each[part]] for each, part in zip(members, own, strict=True)]
        return Work(
            # The rest of a language's text may be a stream of a separator alone: its loss is a sum of nothing, 0.
            targets=max(1, sum(len(each.rows) for each in masked)),
            tokens=sum(len(each.ids) for each in masked),
            # A pass through the model is of one language, where it has parts of each.
            losses=[
                partial(self._loss, [portion[place] for place in members])
                for portion in portions
                for members in by_language([each.language for each in portion])
            ],
        )

    def _stream(self, place: int) -> tuple[str, Ints]:
        """A stream by its place among those of all sets, with its language."""
        owner = int(np.searchsorted(self._firsts, place, side="right")) - 1
        return self._sorted[owner].language, self._sorted[owner].stream(place - int(self._firsts[owner]))

    @cached_property
    def _frame(self) -> tuple[Ints, Ints]:
        """Special tokens before and behind a stream."""
        frame = self.encoder.tokenizer.frame(1)
        before, after = ([token for token, _ in part] for part in (frame.before, frame.after))
        return np.array(before, dtype=np.int64), np.array(after, dtype=np.int64)

    @property
    def _frame_tokens(self) -> int:
        return sum(map(len, self._frame))

    @cached_property
    def _codes(self) -> dict[str, int | None]:
        """What the model takes for each language."""
        tags = dict.fromkeys(each.language for each in (*self.train, *self.dev))
        return {tag: self.encoder.code(tag, "train") for tag in tags}

    def _masked(self, streams: Sequence[tuple[str, Ints]], generator: np.random.Generator) -> list[MaskedStream]:
        """Streams with special tokens around them and others masked."""
        before, after = self._frame
        framed = [np.concatenate([before, ids, after]) for _, ids in streams]
        joined, tags = np.concatenate(framed), self.plan.tags
        languages = None
        if self.masker.own is not None:
            places = [tags.index(tag) for tag, _ in streams]
            languages = np.repeat(np.array(places, dtype=np.int64), [len(ids) for ids in framed])
        masked = self.masker(joined, generator, languages)
        found, begin = [], 0
        for (tag, _), ids in zip(streams, framed, strict=True):
            first, last = np.searchsorted(masked.rows, (begin, begin + len(ids)))
            rows = masked.rows[first:last]
            seen = masked.ids[begin : begin + len(ids)]
            found.append(MaskedStream(seen, rows - begin, joined[rows], self._codes[tag]))
            begin += len(ids)
        return found

    def _loss(self, portion: Sequence[MaskedStream]) -> Tensor:
        """Sum of the negative log-likelihoods of a batch's masked tokens, in nats."""
        dtype = self.optimisation.dtype
        encoder = self.encoder.build(dtype, self.encoder.dropout(self.optimisation.dropout))
        return self._losses(encoder, self.head.build(encoder.embeddings.words, dtype), portion).sum()

    def _losses(self, encoder: Encoder, head: LanguageHeads, portion: Sequence[MaskedStream]) -> Tensor:
        """[M] negative log-likelihoods, stream by stream, longest streams first, those of equal length in order.

        All streams are of one language, where the model is told it.
        """
        dtype = self.optimisation.dtype
        order = np.argsort([-len(each.ids) for each in portion], kind="stable")
        chosen = [portion[place] for place in order]
        packed = pack([_text(each) for each in chosen], np.arange(len(chosen)), self.encoder.positions)
        hidden_TD = last_hidden_state(encoder, Layout.of(packed, self.device), dtype, Interventions((), self.device))
        rows = np.concatenate([each.rows + start for each, start in zip(chosen, packed.starts, strict=True)])
        labels = np.concatenate([each.labels for each in chosen])
        hidden_MD = torch.index_select(hidden_TD, 0, torch.from_numpy(rows).to(self.device))
        logits_MV = head.of(packed.language)(hidden_MD, TYPES[dtype])
        return functional.cross_entropy(logits_MV, torch.from_numpy(labels).to(self.device), reduction="none")

    def state(self) -> Mapping[str, Tensor]:
        """Nothing: masks and order follow from the seed and the step."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """There is nothing to set."""

    @torch.inference_mode()
    def figures(self, check: Callable[[], None]) -> tuple[SetFigures, ...]:
        """Perplexity of the masked tokens of each development set, whose masks are always the same."""
        dtype = self.optimisation.dtype
        encoder = self.encoder.inference(dtype)
        head = self.head.inference(self.encoder.words, dtype)
        return tuple(self._set_figures(each, encoder, head, check) for each in self.dev)

    def _set_figures(
        self, streams: StreamSet, encoder: Encoder, head: LanguageHeads, check: Callable[[], None]
    ) -> SetFigures:
        sums, counts = np.zeros(streams.counts.streams), np.zeros(streams.counts.streams, dtype=np.int64)
        budget = max(1, self.optimisation.step_tokens // self.optimisation.accumulation)
        for members in by_length((streams.lengths + self._frame_tokens).tolist(), budget):
            check()
            portion = [
                self._masked([(streams.language, streams.stream(place))], np.random.default_rng([_DEV_MASKS, place]))[0]
                for place in members.tolist()
            ]
            losses = self._losses(encoder, head, portion).double().cpu().numpy()
            counts[members] = [len(each.rows) for each in portion]
            owners = np.repeat(members, counts[members])
            np.add.at(sums, owners, losses)
        figure = perplexity_figure(sums, counts, self.plan.masking)
        return SetFigures(streams.language, streams.dataset, (figure,))

    def score(self, figures: tuple[SetFigures, ...]) -> float | None:
        """Mean log-likelihood of a masked token of the source's development sets, in nats; 0 is the most there is."""
        source = [each.find("perplexity") for each in figures if each.language == self.plan.chosen_source]
        if not source:
            return None
        terms = np.array([each.n for each in source])
        return -float(terms @ np.log([each.value for each in source]) / terms.sum())

    def write(self, target: Path) -> None:
        """Write the model with its head."""
        write_pretrained(target, self.encoder, self.head, self.provenance)


def _text(stream: MaskedStream) -> TokenizedText:
    """A stream as the packing takes it."""
    size, nothing = len(stream.ids), np.zeros(len(stream.ids), dtype=np.int32)
    return TokenizedText(
        ids=stream.ids,
        special=np.zeros(size, dtype=bool),
        starts=nothing,
        ends=nothing,
        truncated=False,
        full_length=size,
        language=stream.language,
    )
