"""Which system to translate with, and how."""

from dataclasses import dataclass
from typing import Literal

Backend = Literal["dictionary", "transformers", "ctranslate", "remote"]
BACKENDS: tuple[Backend, ...] = ("dictionary", "transformers", "ctranslate", "remote")


@dataclass(frozen=True, slots=True)
class Choice:
    """A system.

    Attributes:
        backend: Kind of the system.
        reference: The dictionary; the model's folder or hub id; the server's address.
        system: Name of one of a remote server's systems; the server's default where empty.
        beam: Hypotheses kept by a neural model; 1 is greedy.
        batch_tokens: Padded source tokens of a neural model's batch.
    """

    backend: Backend
    reference: str
    system: str = ""
    beam: int = 4
    batch_tokens: int = 4096

    @property
    def name(self) -> str:
        """What it is called in a corpus' record."""
        return ":".join(part for part in (self.backend, self.reference, self.system) if part)
