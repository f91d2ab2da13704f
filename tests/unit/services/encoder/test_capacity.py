"""Room for models where nobody says how much there is."""

import os
from pathlib import Path

from services.encoder.capacity import CPU_SHARE, default_model_bytes, memory_bytes

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_container_bounds_the_machine(tmp_path: Path) -> None:
    limit, none = tmp_path / "memory.max", tmp_path / "other"
    limit.write_text(f"{1 << 20}\n")
    none.write_text("max\n")
    assert memory_bytes((limit, none, tmp_path / "nowhere")) == 1 << 20
    assert memory_bytes((none,)) == memory_bytes(()) == MACHINE
    limit.write_text(f"{1 << 62}\n")
    assert memory_bytes((limit,)) == MACHINE


def test_the_default_leaves_room_for_the_rest() -> None:
    assert 0 < default_model_bytes("cpu") == int(memory_bytes() * CPU_SHARE) < MACHINE
