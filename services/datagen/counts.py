"""What a step counts while it works."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class StepReport:
    """What one step did.

    Attributes:
        name: Name of the transform.
        counts: Counts by name: `read`, `kept`, `dropped`, `replaced`, ...
        warnings: Warnings, in words, each once.
    """

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def warn(self, warning: str) -> None:
        """Adds a warning, unless it is there."""
        if warning not in self.warnings:
            self.warnings.append(warning)
