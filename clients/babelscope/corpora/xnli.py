"""XNLI TSV: a header and one premise with its hypothesis a row, in the set's own columns or in the short ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from babelscope.corpora.files import read_lines
from babelscope.corpora.options import Options
from babelscope.data.examples import Example, TextPair
from babelscope.data.languages import same_language
from babelscope.errors import CorpusError

# The set's own names first, then those of re-issues.
PREMISE = ("sentence1", "premise")
HYPOTHESIS = ("sentence2", "hypothesis", "hypo")
LABEL = ("gold_label", "label")
TRAINING_LABELS = {"contradictory": "contradiction"}
"""What the machine-translated training files (`premise hypo label`) call a label that the test sets call otherwise."""


def is_header(line: str) -> bool:
    """Whether a line is the header of such a file."""
    names = {name.strip() for name in line.split("\t")}
    return all(names.intersection(wanted) for wanted in (PREMISE, HYPOTHESIS, LABEL))


def read(path: Path, options: Options) -> Iterator[Example]:
    """Yields one example a row.

    The id is the row's `pairID` where the file has that column, else `SPLIT-ROW` with rows counted from 1 (row i is the
    same item in all languages). The training file's own header (`premise`, `hypo`, `label`) is known, and its label
    `contradictory` is read as `contradiction`. Where the file holds several languages, only rows of the language asked
    for are given.

    Raises:
        CorpusError: The file cannot be read, lacks a column, or a row has another number of fields.
    """
    lines = read_lines(path)
    _, header = next(lines, (1, ""))
    names = [name.strip() for name in header.split("\t")]
    premise_at, hypothesis_at, label_at = (_find(path, names, wanted) for wanted in (PREMISE, HYPOTHESIS, LABEL))
    language_at, split_at, id_at = (
        names.index(name) if name in names else None for name in ("language", "split", "pairID")
    )
    is_training = names[hypothesis_at] == "hypo"
    row = 0
    for number, line in lines:
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != len(names):
            raise CorpusError(path, number, f"Expected {len(names)} fields as in the header, but got {len(fields)}")
        language = fields[language_at] if language_at is not None else options.language
        if options.language and not same_language(language, options.language):
            continue
        row += 1
        split = fields[split_at] if split_at is not None else "row"
        label = fields[label_at].strip()
        if is_training:
            label = TRAINING_LABELS.get(label, label)
        name = fields[id_at] if id_at is not None else f"{split}-{row}"
        yield Example(name, TextPair(fields[premise_at], fields[hypothesis_at], label), language, number)


def _find(path: Path, names: Sequence[str], wanted: tuple[str, ...]) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    raise CorpusError(path, 1, f"Expected a header with a column {' or '.join(wanted)}, but got {', '.join(names)}")
