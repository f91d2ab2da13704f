"""What the commands share that remove what is old."""

import re
from typing import Annotated, Final

import typer

OlderThan = Annotated[
    str, typer.Option("--older-than", metavar="AGE", help="Age from which things may go: 12h, 30d, 8w.")
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="List what is kept as well, with the reason.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Remove. Without it, nothing is removed.")]

_UNITS: Final = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SHORTEST: Final = 3600.0


def read_age(text: str) -> float:
    """Seconds of `30d`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text)
    if match is None or (seconds := float(match[1]) * _UNITS[match[2]]) < _SHORTEST:
        # What is being made has parts that nothing names yet.
        raise typer.BadParameter(f"Expected --older-than of at least 1h, such as 12h, 30d or 8w, but got {text!r}")
    return seconds
