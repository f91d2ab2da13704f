"""The vocabulary of a new model: of all languages, or one of each, joined (Conneau, Wu et al. 2020, section 4.2)."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from babelscope.corpora.vocabularies import from_examples, join_tokens, numbered
from babelscope.data.examples import Example
from babelscope.data.jobs.architecture import Separation
from babelscope.data.languages import spelling

from services.models.catalogue import ModelFiles
from services.models.crashes import crash_of
from services.models.tokens.tokenizer_file import TOKENIZER_FILE, is_language_file
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.pretraining.plan import STORED

Examples = Callable[[str], Iterable[Example]]
_UNKNOWN: Final = ("[UNK]", "<unk>")


@dataclass(frozen=True)
class Vocabularies:
    """What cuts the texts of a model.

    Attributes:
        whole: tokenizer.json of the whole vocabulary. Where each language has a vocabulary of its own, it knows all
            tokens by their names and cuts at white space alone.
        parts: tokenizer.json of each language that has its own, with ids of the whole vocabulary.
    """

    whole: str
    parts: Mapping[str, str] = field(default_factory=dict)


def read_vocabularies(
    name: str, files: ModelFiles, examples: Examples, *, separation: Separation | None, languages: Sequence[str]
) -> Vocabularies:
    """A stored vocabulary, or that of a model.

    Args:
        name: `datasets/DIGEST`, or the name of a model.
        files: Files of the models.
        examples: Datasets by name.
        separation: What the languages do not share; None for a model that is not told the language of a text.
        languages: Languages of the training sets.

    Raises:
        InvalidArgument: Tokens are to be prefixed, and there is no vocabulary of each language.
        FailedPrecondition: There is none, it is damaged, or it is not one of these languages.
    """
    subject = f"vocabulary {name}"
    found = _stored(name, examples) if name.startswith(STORED) else {"": _of_model(name, files)}
    if len(found) == 1:
        if separation is not None and separation.prefixed:
            raise InvalidArgument(
                "architecture.separation.prefixed", "Expected a vocabulary of each language, but got one of all"
            )
        return Vocabularies(next(iter(found.values())))
    if separation is None or not found:
        problem = f"Expected one vocabulary of all languages, but got {len(found)}"
        hint = "; a model with `architecture.separation` takes one of each" if found else ""
        raise FailedPrecondition(subject, problem + hint)
    own: dict[str, str] = {}
    for language in languages:
        spelled = spelling(language, tuple(found))
        if spelled is None or not spelled:
            raise FailedPrecondition(subject, f"Expected a vocabulary of {language}, but got {', '.join(found)}")
        own[language] = spelled
    joined = join_vocabularies(found, subject, prefixed=separation.prefixed)
    return Vocabularies(joined.whole, {language: joined.parts[spelled] for language, spelled in own.items()})


def join_vocabularies(descriptions: Mapping[str, str], subject: str, *, prefixed: bool) -> Vocabularies:
    """The vocabularies of several languages as one, numbered as datagen's `cut_subwords` numbers them.

    Args:
        descriptions: tokenizer.json by language.
        subject: What to call them in errors.
        prefixed: Whether no two languages share a token but the special ones.

    Raises:
        FailedPrecondition: One is no tokenizer, or has no table of tokens.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    parts, tokens = {}, {}
    for language, description in descriptions.items():
        try:
            parts[language], backend = json.loads(description), Tokenizer.from_str(description)
        except BaseException as error:
            raise FailedPrecondition(
                subject, f"Expected a tokenizer.json of {language}, but it does not load: {crash_of(error)}"
            ) from error
        if not isinstance(parts[language]["model"].get("vocab"), dict):
            kind = parts[language]["model"].get("type")
            raise FailedPrecondition(subject, f"Expected a table of tokens of {language}, but it is a {kind} model")
        table = backend.get_vocab(with_added_tokens=True)
        tokens[language] = sorted(table, key=table.__getitem__)
    specials = _specials(next(iter(parts.values())))
    names = join_tokens(tokens, specials, prefixed=prefixed)
    ids = numbered(names, specials)
    unknown = next((token for token in _UNKNOWN if token in ids), None)
    if unknown is None:
        raise FailedPrecondition(subject, f"Expected the token {' or '.join(_UNKNOWN)}, but the vocabulary has none")
    whole = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    whole.add_special_tokens(list(specials))
    return Vocabularies(
        whole.to_str(),
        {
            language: _renumbered(part, dict(zip(tokens[language], names[language], strict=True)), ids)
            for language, part in parts.items()
        },
    )


def _renumbered(part: dict[str, Any], names: Mapping[str, str], ids: Mapping[str, int]) -> str:
    """A tokenizer.json whose tokens have other ids, and that puts nothing around texts."""
    model = part["model"] | {"vocab": {token: ids[names[token]] for token in part["model"]["vocab"]}}
    added = [each | {"id": ids[names[each["content"]]]} for each in part["added_tokens"]]
    return json.dumps(part | {"model": model, "added_tokens": added, "post_processor": None}, ensure_ascii=False)


def _specials(part: Mapping[str, Any]) -> tuple[str, ...]:
    """Special tokens of a tokenizer.json, by id."""
    special = [each for each in part["added_tokens"] if each["special"]]
    return tuple(each["content"] for each in sorted(special, key=lambda each: int(each["id"])))


def _stored(name: str, examples: Examples) -> dict[str, str]:
    try:
        return from_examples(examples(name))
    except ValueError as error:
        raise FailedPrecondition(f"vocabulary {name}", str(error)) from error


def _of_model(name: str, files: ModelFiles) -> str:
    folder = files.find(name).path
    path = folder / TOKENIZER_FILE
    own = sorted(each.name for each in folder.iterdir() if is_language_file(each.name))
    if own:
        # The one beside them knows all tokens, but cuts at white space alone.
        raise FailedPrecondition(
            f"model {name}", f"Expected one tokenizer of all languages, but it has one of each: {', '.join(own)}"
        )
    if not path.is_file():
        raise FailedPrecondition(f"model {name}", f"Expected a {TOKENIZER_FILE}, but it has none")
    return path.read_text("utf-8")
