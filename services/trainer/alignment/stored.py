"""Interventions of a job as the job table keeps them."""

from dataclasses import dataclass

from services.models.spec import Positions


@dataclass(frozen=True)
class StoredEdit:
    """An edit of the hidden states of one layer, its arrays named by their objects in the store.

    Attributes:
        layer: 0 is the embedding output, 1..L the blocks.
        vector: Name of the vector, added `alpha` times; empty for no shift.
        alpha: Factor of the vector.
        vector_positions: Positions that the shift touches.
        matrix: Name of the matrix by which rows are multiplied; empty for no map.
        bias: Name of what is added then; empty for nothing.
        matrix_positions: Positions that the map touches.
        language: Language tag of the texts that it touches; all texts where empty.
        allow_other_model: Whether the arrays may have been computed with another model.
    """

    layer: int
    vector: str = ""
    alpha: float = 0.0
    vector_positions: Positions = "non_special"
    matrix: str = ""
    bias: str = ""
    matrix_positions: Positions = "all"
    language: str = ""
    allow_other_model: bool = False
