"""How long a text may become: a dictionary with long entries would make a text of any length from a short one."""

from collections.abc import Sequence
from typing import Final

from services.runtime.errors import LimitExceeded

MOST_CHARACTERS: Final = 16 << 20
"""Characters of a text that a transform makes: four times what fits a message."""


def check_length(characters: int) -> None:
    """Refuses a text before it is made.

    Args:
        characters: Its length.

    Raises:
        LimitExceeded: It would be too long.
    """
    if characters > MOST_CHARACTERS:
        raise LimitExceeded(
            "characters", f"Expected texts of at most {MOST_CHARACTERS} characters, but one would have {characters}"
        )


def joined(parts: Sequence[str], between: str = "") -> str:
    """Parts put together.

    Args:
        parts: The parts.
        between: What stands between two of them.

    Raises:
        LimitExceeded: They are too long together.
    """
    check_length(sum(map(len, parts)) + len(between) * max(len(parts) - 1, 0))
    return between.join(parts)
