"""Messages of interventions by language and of adversarial alignment to plain data, checked, and back."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from babelscope.data.languages import read_tag
from babelscope.v1 import model_pb2, trainer_pb2

from services.models.api.messages import MOST_EDITS, check_edits, read_edit
from services.models.artifacts import Objects, write_array
from services.models.spec import Edit, Positions
from services.runtime.errors import InvalidArgument, LimitExceeded
from services.runtime.files.store import Store
from services.trainer.alignment.adversary import Adversary, check_adversary
from services.trainer.alignment.edits import LanguageEdit
from services.trainer.alignment.stored import StoredEdit

_POSITIONS: Final[dict[Positions, model_pb2.Positions.ValueType]] = {
    "non_special": model_pb2.POSITIONS_NON_SPECIAL,
    "all": model_pb2.POSITIONS_ALL,
}
_USUAL: Final = Adversary(0)

Spec = trainer_pb2.FineTuneSpec | trainer_pb2.EvaluateSpec | trainer_pb2.PredictSpec
_Placed = tuple[str, str, model_pb2.Intervention]
"""Language, path in the request, message."""


def read_stored_edits(spec: Spec, field: str, store: Store) -> tuple[StoredEdit, ...]:
    """All interventions of a job, whose arrays are in the store, where the processes of jobs find them.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: There are too many.
    """
    return tuple(
        _stored(read_edit(message, store, path), message, language, store)
        for language, path, message in _all(spec, field)
    )


def read_language_edits(spec: Spec, field: str, store: Objects) -> tuple[LanguageEdit, ...]:
    """All interventions of a request that is answered at once.

    Raises:
        InvalidArgument: A field is wrong.
        LimitExceeded: There are too many.
    """
    return tuple(
        LanguageEdit(read_edit(message, store, path), language) for language, path, message in _all(spec, field)
    )


def _all(spec: Spec, field: str) -> list[_Placed]:
    found: list[_Placed] = [
        ("", f"{field}.interventions[{number}]", each) for number, each in enumerate(spec.interventions)
    ]
    if len(spec.language_interventions) > MOST_EDITS:
        raise LimitExceeded(
            "max_interventions",
            f"Expected interventions on at most {MOST_EDITS} languages, but got {len(spec.language_interventions)}",
        )
    seen: set[str] = set()
    for place, group in enumerate(spec.language_interventions):
        path = f"{field}.language_interventions[{place}]"
        canonical = read_tag(group.language).canonical
        if not group.language or canonical in seen:
            raise InvalidArgument(f"{path}.language", f"Expected each language once, but got {group.language!r}")
        seen.add(canonical)
        found += [
            (group.language, f"{path}.interventions[{number}]", each) for number, each in enumerate(group.interventions)
        ]
    check_edits([message for _, _, message in found])
    return found


def _stored(edit: Edit, message: model_pb2.Intervention, language: str, store: Store) -> StoredEdit:
    refs = {"vector": message.shift.vector, "matrix": message.linear_map.matrix, "bias": message.linear_map.bias}
    places = {"vector": "shift.vector", "matrix": "linear_map.matrix", "bias": "linear_map.bias"}
    origins = {origin.array: origin for origin in edit.origins}
    kept = {}
    for role, ref in refs.items():
        array = getattr(edit, role)
        if array is None:
            kept[role] = ""
        elif ref.WhichOneof("source") == "artifact" and not (role == "vector" and message.shift.HasField("origin")):
            kept[role] = ref.artifact
        else:
            kept[role] = write_array(store, array, role, origins.get(places[role]))
    return StoredEdit(
        layer=edit.layer,
        alpha=edit.alpha,
        vector_positions=edit.vector_positions,
        matrix_positions=edit.matrix_positions,
        language=language,
        allow_other_model=message.allow_other_model,
        **kept,
    )


def write_edits(edits: Iterable[StoredEdit]) -> list[model_pb2.Intervention]:
    """The interventions on all texts."""
    return [_message(edit) for edit in edits if not edit.language]


def write_language_edits(edits: Sequence[StoredEdit]) -> Iterator[trainer_pb2.LanguageInterventions]:
    """The interventions on the texts of single languages."""
    for language in dict.fromkeys(edit.language for edit in edits if edit.language):
        yield trainer_pb2.LanguageInterventions(
            language=language, interventions=[_message(edit) for edit in edits if edit.language == language]
        )


def _message(edit: StoredEdit) -> model_pb2.Intervention:
    message = model_pb2.Intervention(layer=edit.layer, allow_other_model=edit.allow_other_model)
    if edit.vector:
        message.shift.vector.artifact = edit.vector
        message.shift.alpha = edit.alpha
        message.shift.positions = _POSITIONS[edit.vector_positions]
    if edit.matrix:
        message.linear_map.matrix.artifact = edit.matrix
        message.linear_map.positions = _POSITIONS[edit.matrix_positions]
        if edit.bias:
            message.linear_map.bias.artifact = edit.bias
    return message


def read_adversary(given: trainer_pb2.AdversarialAlignment, field: str) -> Adversary:
    """Reads an AdversarialAlignment but for its texts.

    Raises:
        InvalidArgument: A field is wrong.
    """
    how = Adversary(
        layer=given.layer,
        weight=given.weight or _USUAL.weight,
        learning_rate=given.learning_rate or _USUAL.learning_rate,
        hidden_size=given.hidden_size or _USUAL.hidden_size,
        dropout=given.dropout if given.HasField("dropout") else _USUAL.dropout,
        smoothing=given.smoothing if given.HasField("smoothing") else _USUAL.smoothing,
        steps=given.discriminator_steps or _USUAL.steps,
    )
    try:
        check_adversary(how)
    except InvalidArgument as error:
        name = error.field.removeprefix("adversary.").replace("steps", "discriminator_steps")
        raise InvalidArgument(f"{field}.{name}", error.problem) from error
    return how


def write_adversary(how: Adversary) -> trainer_pb2.AdversarialAlignment:
    """An AdversarialAlignment with all defaults filled in, but for its texts."""
    return trainer_pb2.AdversarialAlignment(
        layer=how.layer,
        weight=how.weight,
        learning_rate=how.learning_rate,
        hidden_size=how.hidden_size,
        dropout=how.dropout,
        smoothing=how.smoothing,
        discriminator_steps=how.steps,
    )
