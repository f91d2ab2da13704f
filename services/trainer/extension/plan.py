"""What an extension is to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.models.spec import ModelSpec
from services.runtime.errors import InvalidArgument


@dataclass(frozen=True)
class ExtendPlan:
    """Appends vectors of words to the embeddings of a model (Hsu et al. 2019, table 1, row c).

    Attributes:
        model: The model.
        vectors: Dataset with the vectors, one word a text.
        map: Name of a map in the store that takes the vectors to the width of the embeddings; empty for none.
        anchors: Dataset with vectors of the model's own language in the space of `vectors`, from which a map is fitted
            by least squares; empty for none.
        limit: Words that are read of `vectors`, from the first on; all where 0.
    """

    model: ModelSpec
    vectors: str
    map: str = ""
    anchors: str = ""
    limit: int = 0


def check(plan: ExtendPlan) -> None:
    """Refuse a plan that cannot be carried out, whatever the model and the vectors.

    Raises:
        InvalidArgument: Names the field, what was expected and what was got.
    """
    if not plan.vectors:
        raise InvalidArgument("vectors", "Expected `datasets/DIGEST`, but got none")
    if plan.map and plan.anchors:
        raise InvalidArgument("anchors", "Expected a map or anchors to fit one from, but got both")
    if plan.limit < 0:
        raise InvalidArgument("limit", f"Expected a number of 0 or more, but got {plan.limit}")
    if plan.model.reinit:
        raise InvalidArgument(
            "model.reinit", "Expected a model as it is, but got layers to draw anew, which training can draw later"
        )


def check_model(languages: Sequence[str], model: str) -> None:
    """Refuse a model that cannot be extended.

    Args:
        languages: Languages of which the model has parts of their own.
        model: Name of the model.

    Raises:
        InvalidArgument: Its languages have embeddings and tokenizers of their own, or may have them: the words would
            belong to none of them.
    """
    if languages:
        raise InvalidArgument(
            "model",
            f"Expected a model that all languages share, but model {model} has parts of {', '.join(languages)}",
        )
