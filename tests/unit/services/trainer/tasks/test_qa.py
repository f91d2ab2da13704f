import numpy as np
import pytest
from babelscope.data.examples import Answer, Example, Question

from services.models.tokens.tokenization import Tokenizer
from services.runtime.errors import InvalidArgument
from services.trainer.data.pieces import NO_TARGET, Counts, Piece
from services.trainer.tasks import make_task
from services.trainer.tasks.base import Cutting

CONTEXT = "The river rose in the night and the bridge was closed before the morning train."


def _example(text: str, start: int | None = None) -> Example:
    answers = (Answer(text, CONTEXT.index(text) if start is None else start),) if text else ()
    return Example("q", Question(CONTEXT, "What was closed?", answers))


def _cut(tokenizer: Tokenizer, example: Example, max_tokens: int = 200, **options: str) -> tuple[list[Piece], Counts]:
    counts = Counts()
    return make_task("qa", options).cut([example], 0, Cutting(tokenizer, max_tokens, {}), counts), counts


@pytest.mark.parametrize("text", ["The", "the bridge", "morning train.", "rose in the night"])
def test_the_target_is_the_span_of_tokens_of_the_answer(text: str, tokenizer: Tokenizer) -> None:
    [piece], counts = _cut(tokenizer, _example(text))
    first, last = (int(piece.rows[int(piece.targets[side][0])]) for side in ("start", "end"))
    assert CONTEXT[piece.text.starts[first] : piece.text.ends[last]] == text
    assert (piece.count, counts.lost, counts.split, counts.cut) == (1, 0, 0, 0)
    assert piece.rows[0] == 0
    assert not piece.text.special[piece.rows[1:]].any()


def test_windows_without_the_whole_answer_point_at_the_first_token(tokenizer: Tokenizer) -> None:
    pieces, counts = _cut(tokenizer, _example("the bridge"), max_tokens=34, overlap="8")
    assert len(pieces) > 1
    assert counts.split == 1
    assert all(len(piece.text) <= 34 for piece in pieces)
    found = [CONTEXT[p.text.starts[p.rows[s]] : p.text.ends[p.rows[e]]] if s else "" for p, s, e in _targets(pieces)]
    assert "the bridge" in found
    assert set(found) <= {"", "the bridge"}
    covered = {token for piece in pieces for token in piece.items.tolist()}
    assert covered >= set(range(max(covered) + 1))


def _targets(pieces: list[Piece]) -> list[tuple[Piece, int, int]]:
    return [(piece, int(piece.targets["start"][0]), int(piece.targets["end"][0])) for piece in pieces]


@pytest.mark.parametrize(("text", "start"), [("bridge", 3), ("a bridge", 5)])
def test_an_answer_that_is_not_where_it_says_is_lost(text: str, start: int, tokenizer: Tokenizer) -> None:
    [piece], counts = _cut(tokenizer, _example(text, start))
    assert (piece.count, counts.lost) == (0, 1)
    assert piece.targets["start"].tolist() == [NO_TARGET]


def test_a_question_without_answer_points_at_the_first_token(tokenizer: Tokenizer) -> None:
    [piece], counts = _cut(tokenizer, _example(""))
    assert (piece.count, counts.lost) == (1, 0)
    assert piece.targets["start"].tolist() == piece.targets["end"].tolist() == [0]


def test_long_questions_lose_their_end_and_are_counted(tokenizer: Tokenizer) -> None:
    [piece], counts = _cut(tokenizer, _example("The"), question_tokens="2")
    assert counts.cut == 1
    assert int(piece.rows[1]) == 4


@pytest.mark.parametrize(("options", "nothing", "expected"), [
    ({}, 9.0, "river"),
    ({"unanswerable": "yes"}, 9.0, ""),
    ({"unanswerable": "yes"}, 1.0, "river"),
])  # fmt: skip
def test_no_answer_is_given_only_where_allowed_and_better(
    options: dict[str, str], nothing: float, expected: str, tokenizer: Tokenizer
) -> None:
    example = _example("The")
    [piece], _ = _cut(tokenizer, example)
    starts = np.zeros(len(piece.rows), dtype=np.float32)
    rows = piece.rows.tolist()
    place = next(n for n, row in enumerate(rows) if n and piece.text.starts[row] == 4)
    last = next(n for n, row in enumerate(rows) if n and piece.text.ends[row] == 9)
    ends = starts.copy()
    starts[place], ends[last], starts[0] = 2.0, 2.0, nothing
    said = make_task("qa", options).decode(example, [(piece, {"starts": starts, "ends": ends})], {})
    assert isinstance(said.content, Question)
    assert [answer.text for answer in said.content.answers] == ([expected] if expected else [])
    assert make_task("qa", options).decode(example, [], {}).content.answers == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answers", "allowed", "scored"),
    [
        (("river",), "false", True),
        (("river",), "true", True),
        ((), "false", False),
        ((), "true", True),
        ((" ",), "true", False),
    ],
)
def test_a_question_without_answer_is_scored_where_it_may_have_none(
    answers: tuple[str, ...], allowed: str, scored: bool
) -> None:
    question = Question("the river rose", "which?", tuple(Answer(text, 0) for text in answers))
    assert make_task("qa", {"unanswerable": allowed}).scored(Example("q", question)) is scored


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"overlap": "-1"}, "overlap"),
        ({"answer_tokens": "0"}, "answer_tokens"),
        ({"unanswerable": "x"}, "unanswerable"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make_task("qa", options)
    assert caught.value.field == f"options[{field}]"
