"""Configurations of the families that are this project's own, which transformers does not know."""

from collections.abc import Mapping
from typing import Any, Final

from services.models.families import separable, static
from services.runtime.errors import FailedPrecondition
from services.runtime.work import importing

OWN: Final = (separable.NAME, static.NAME)
"""Their model types."""


def read_configuration(raw: Mapping[str, Any], subject: str) -> Any:
    """BERT's configuration object with the fields of a family of this project, which its checks then look at.

    Args:
        raw: config.json as it was read, of one of these families.
        subject: What to call the model in errors.

    Raises:
        FailedPrecondition: A field of BERT's is wrong.
    """
    with importing:
        from transformers import BertConfig

    make: Any = BertConfig  # untyped
    try:
        return make(**{name: value for name, value in raw.items() if name != "model_type"})
    except Exception as error:  # each field has errors of its own, some without a common base
        raise FailedPrecondition(subject, f"its configuration does not load: {error}") from error
