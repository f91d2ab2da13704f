"""Long texts are cut before they are tokenized."""

from collections.abc import Sequence

from services.datagen.translation.neural import NeuralTranslator


class Letters:
    """An engine whose tokens are letters."""

    longest = 10

    def __init__(self) -> None:
        self.asked: list[int] = []

    def length(self, text: str) -> int:
        self.asked.append(len(text))
        return len(text)

    def generate(self, texts: Sequence[str], source: str, target: str, beam: int) -> list[str]:
        return [text.upper() for text in texts]


def test_no_part_is_tokenized_that_is_far_too_long() -> None:
    engine = Letters()
    translator = NeuralTranslator(engine, "letters", beam=1, batch_tokens=100)
    [found] = translator.translate(["ab" * 100_000], "en", "de")
    assert found.text.replace(" ", "") == "AB" * 100_000
    assert max(engine.asked) <= 32 * 10
