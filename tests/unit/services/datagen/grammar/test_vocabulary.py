"""The grammar's own vocabulary: forms cut at what they have in common, names at their syllables."""

from collections import Counter

import pytest

from services.datagen.grammar.names import COUNTS, inventory, spell, syllables
from services.datagen.grammar.vocabulary import cut_forms


@pytest.mark.parametrize(
    ("forms", "pieces"),
    [
        ({"box": 3, "boxes": 2}, {"box": 5, "es": 2}),
        ({"معلم": 1, "المعلم": 4, "معلمون": 2}, {"معلم": 7, "ال": 4, "ون": 2}),
        ({"went": 5, "goes": 1, "go": 2}, {"went": 5, "go": 3, "es": 1}),
        ({"医生": 9}, {"医生": 9}),
        ({}, {}),
    ],
)
def test_forms_are_cut_at_what_they_share(forms: dict[str, int], pieces: dict[str, int]) -> None:
    assert cut_forms(forms) == Counter(pieces)


@pytest.mark.parametrize("script", ["latin", "cyrillic", "arabic", "devanagari", "kana", "hanzi"])
def test_names_are_their_syllables_in_every_script(script: str) -> None:
    for kind in COUNTS:
        for key in inventory(kind)[:60]:
            parts = syllables(key, script)
            assert len(parts) == 3
            assert all(parts)
            assert "".join(parts).lower() == spell(key, script).lower()
