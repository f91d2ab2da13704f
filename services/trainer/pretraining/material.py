"""What pretraining works with: model and streams, checked against one another before the first step."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
from babelscope.data.examples import Example

from services.models.catalogue import ModelFiles
from services.models.files.digests import folder_digest
from services.models.spec import ModelSpec
from services.models.tokens.tokenizer_file import TOKENIZER_FILE, is_language_file
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.data.pieces import Ints
from services.trainer.pretraining.cutting import Cutter
from services.trainer.pretraining.head import TrainableHead
from services.trainer.pretraining.objective import MaskedModelling, mask_id, masker_of
from services.trainer.pretraining.plan import PretrainPlan
from services.trainer.pretraining.start import draw_model
from services.trainer.pretraining.streams import StreamSet, stored, text_key
from services.trainer.pretraining.vocabularies import read_vocabularies
from services.trainer.training.encoder import TrainableEncoder
from services.trainer.training.events import Event, Prepared
from services.trainer.training.plan import LanguageSet
from services.trainer.training.provenance import reinit_label

Examples = Callable[[str], Iterable[Example]]
_LEAST_ROOM = 4
"""Tokens besides special ones that a stream must have room for."""


def gather(
    plan: PretrainPlan,
    *,
    files: ModelFiles,
    examples: Examples,
    cache: Path,
    report: Callable[[Event], None],
    device: str,
) -> MaskedModelling:
    """The model and its streams.

    Args:
        plan: The plan, checked.
        files: Files of the models that may be loaded.
        examples: Datasets by name; each is read once.
        cache: Folder for the streams and the new model.
        report: Is told of each set.
        device: Device of the model.

    Raises:
        InvalidArgument: Something in the plan does not fit the model.
        NotFound: No such model.
        FailedPrecondition: The model cannot be trained, a set has no text, or there is less of it than a step takes.
    """
    encoder = _encoder(plan, files, examples, cache, device)
    head = TrainableHead.load(encoder, plan.optimisation.seed, device)
    room = _room(plan, encoder)
    vocabulary = encoder.sizes.vocabulary_size
    known = frozenset(text_key(example) for each in plan.dev for example in examples(each.dataset))
    cut_by = [path for path in encoder.folder.files if path.name == TOKENIZER_FILE or is_language_file(path.name)]
    tokenizer = folder_digest(cut_by)
    shared = {"form": plan.form, "room": room, "tokenizer": tokenizer, "vocabulary": vocabulary}

    def read(part: str, place: int, each: LanguageSet) -> StreamSet:
        counted = [dev.dataset for dev in plan.dev] if part == "train" else []
        found = stored(
            cache / "streams" / f"{part}-{place}",
            {**shared, "language": each.language, "dataset": each.dataset, "counted": counted},
            partial(examples, each.dataset),
            Cutter(
                tokenizer=encoder.tokenizer,
                form=plan.form,
                room=room,
                vocabulary=vocabulary,
                dataset=each.dataset,
                language=encoder.code(each.language, f"{part}[{place}].language"),
            ),
            vocabulary,
            language=each.language,
            dataset=each.dataset,
            known=known if counted else frozenset(),
        )
        if not found.counts.tokens:
            raise FailedPrecondition(
                f"dataset {each.dataset}",
                f"Expected text of {each.language or 'a language'} in its {part} set, but got none",
            )
        report(_prepared(part, found, plan.masking.rate))
        return found

    dev = tuple(read("dev", place, each) for place, each in enumerate(plan.dev))
    train = tuple(read("train", place, each) for place, each in enumerate(plan.train))
    _check_sizes(plan, train, vocabulary)
    masker = masker_of(encoder.tokenizer, plan.masking, vocabulary)
    if plan.masking.within_language:
        masker = replace(masker, own=_own_tokens(plan, train, masker.ordinary))
    warnings = _warnings(plan, train, masker.ordinary, encoder, head)
    return MaskedModelling(
        plan=plan,
        encoder=encoder,
        head=head,
        train=train,
        dev=dev,
        masker=masker,
        warnings=warnings,
        provenance=_provenance(plan, encoder),
        device=device,
    )


def _encoder(plan: PretrainPlan, files: ModelFiles, examples: Examples, cache: Path, device: str) -> TrainableEncoder:
    """The model to go on from, or a new one."""
    if plan.architecture is None:
        assert plan.model is not None
        encoder = TrainableEncoder.load(files, plan.model, device)
    else:
        made, tags = plan.architecture, sorted(plan.tags)
        found = read_vocabularies(
            plan.vocabulary, files, examples, separation=made.separation, languages=tags if made.separation else ()
        )
        folder = draw_model(
            cache / "initial",
            made,
            found,
            f"vocabulary {plan.vocabulary}",
            seed=plan.optimisation.seed,
            languages=tags if made.separation else (),
        )
        encoder = TrainableEncoder.open(folder, ModelSpec("new"), device)
    if not 0 <= mask_id(encoder.tokenizer) < encoder.sizes.vocabulary_size:
        raise FailedPrecondition("the model's tokenizer", "Expected a token [MASK] or <mask>, but it has none")
    return encoder


def _room(plan: PretrainPlan, encoder: TrainableEncoder) -> int:
    """Tokens of a stream besides the special ones around it."""
    around, longest = encoder.tokenizer.frame(1).tokens, encoder.sizes.max_tokens
    tokens, least = plan.max_tokens or longest, around + _LEAST_ROOM
    if longest < least:
        field = "architecture.max_tokens" if plan.architecture is not None else "model"
        raise InvalidArgument(field, f"Expected a longest input of at least {least} tokens, but got {longest}")
    if not least <= tokens <= longest:
        raise InvalidArgument("max_tokens", f"Expected a number within {least}..{longest}, but got {tokens}")
    return tokens - around


def _own_tokens(plan: PretrainPlan, train: Sequence[StreamSet], ordinary: Ints) -> tuple[Ints, ...]:
    """For each language the ids that occur in its training sets, special ones aside.

    Raises:
        FailedPrecondition: A language has none.
    """
    found = []
    for tag in plan.tags:
        seen = np.logical_or.reduce([each.seen for each in train if each.language == tag])
        found.append(ordinary[seen[ordinary]])
        if not len(found[-1]):
            raise FailedPrecondition(
                "train", f"Expected tokens of {tag} that are not special, of which random ones are drawn, but got none"
            )
    return tuple(found)


def _check_sizes(plan: PretrainPlan, train: Sequence[StreamSet], vocabulary: int) -> None:
    """Refuse a corpus that makes no step, or that is smaller than the vocabulary of a new model."""
    tokens = sum(each.counts.tokens for each in train)
    if tokens < plan.optimisation.step_tokens:
        raise FailedPrecondition(
            "train",
            f"Expected at least as many tokens as a step takes, {plan.optimisation.step_tokens}, but the training sets "
            f"have {tokens}",
        )
    if plan.architecture is not None and vocabulary > tokens:
        raise FailedPrecondition(
            f"vocabulary {plan.vocabulary}",
            f"Expected at most as many entries as the training sets have tokens, {tokens}, but got {vocabulary}",
        )


def _warnings(
    plan: PretrainPlan,
    train: Sequence[StreamSet],
    ordinary: Ints,
    encoder: TrainableEncoder,
    head: TrainableHead,
) -> tuple[str, ...]:
    """What a reader of the figures must know."""
    found = [
        f"{each.counts.known} of {each.counts.examples} texts of {each.dataset} ({each.language}) stand in a "
        "development set, too: perplexities are too low"
        for each in train
        if each.counts.known
    ]
    seen = np.logical_or.reduce([each.seen for each in train])
    unseen = int((~seen[ordinary]).sum())
    if plan.architecture is not None and unseen:
        found.append(f"{unseen} of {encoder.sizes.vocabulary_size} tokens of the vocabulary never occur in training")
    if plan.model is not None and head.fresh:
        found.append(f"The head of {plan.model.name} starts from random weights: {head.fresh}")
    return tuple(found)


def _prepared(part: str, streams: StreamSet, rate: float) -> Prepared:
    counts = streams.counts
    return Prepared(
        part=part,
        language=streams.language,
        dataset=streams.dataset,
        examples=counts.streams,
        tokens=counts.tokens,
        targets=round(rate * counts.tokens),
        split=0,
        cut=0,
        lost=0,
    )


def _provenance(plan: PretrainPlan, encoder: TrainableEncoder) -> dict[str, str]:
    """What determines the run besides the data's contents and the machine; nested values as JSON."""

    def said(value: object) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    return {
        "task": "mlm",
        "model": plan.model.name if plan.model else "",
        "label": reinit_label(plan.model) if plan.model else "",
        "model_digest": encoder.digest,
        "architecture": said(asdict(plan.architecture) if plan.architecture else None),
        "vocabulary": plan.vocabulary,
        "parameters": str(sum(each.numel() for each in encoder.parameters.values())),
        "train": said([[each.language, each.dataset] for each in plan.train]),
        "dev": said([[each.language, each.dataset] for each in plan.dev]),
        "source": plan.chosen_source,
        "form": plan.form,
        "exponent": repr(plan.exponent),
        "masking": said(asdict(plan.masking)),
        "optimisation": said(plan.optimisation.described()),
        "seed": str(plan.optimisation.seed),
    }
