"""Study files: YAML, held strictly to its schema. What a key means is said in `design.py`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from babelscope.calls.options import Backend, ComputeType
from babelscope.corpora import FORMATS
from babelscope.study import interventions, values
from babelscope.study.design import (
    Alignment,
    CorpusDesign,
    MeasureDesign,
    ModelDesign,
    Overflow,
    Pooling,
    RandomInitDesign,
    RetrievalDesign,
    Scheme,
    Study,
)
from babelscope.study.nodes import Node, StudyFiles, read_yaml
from babelscope.study.paths import corpus_path, model_name
from babelscope.study.sections import SECTIONS
from babelscope.study.values import get

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_PRETRAINED = "emergence"
"""Key of the section that makes its own models, beside which a study needs no other."""
_RANGE = re.compile(r"(?P<first>[1-9][0-9]{0,3})(-(?P<last>[1-9][0-9]{0,3}))?")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a call asks for in place of what the file says.

    Attributes:
        model: One model, without a fallback; the file's models where empty.
        languages: Languages, in order; the file's where empty.
        sentences: Largest number of items; the file's number where 0.
        only: Patterns of the cells of `emergence` that are run; the file's where empty.
    """

    model: str = ""
    languages: tuple[str, ...] = ()
    sentences: int = 0
    only: tuple[str, ...] = ()


def load_study(
    path: str | Path,
    overrides: Overrides | None = None,
    files: StudyFiles | None = None,
    *,
    text: str | None = None,
) -> Study:
    """Reads a study file.

    Args:
        path: The file.
        overrides: What to take in place of what it says. Languages may be any that its corpus has files for.
        files: The files that it names, where they are not to be looked up on this machine; also notes what was.
        text: Its contents, where they are at hand.

    Raises:
        StudyError: The file cannot be read or does not follow the schema; names the key, what was expected and got.
    """
    root = read_yaml(Path(path), files, text=text)
    keys = root.mapping(
        "name", "title", "corpus", "languages", "sources", "models", "sentences", "layers", "pooling", "pairs",
        "measures", "standardise", "drop_top_variance", "random_init", "retrieval", "overflow", "alignment",
        "interventions", "backend", "compute_dtype",
        *(section.key for section in SECTIONS),
    )  # fmt: skip
    for needed in ("name", "title", "corpus", "languages", *(() if _PRETRAINED in keys else ("models",))):
        if needed not in keys:
            root.fail(f"the key {needed}", sorted(keys))
    overrides = overrides or Overrides()
    keys = _only(root, keys, overrides.only)
    listed = keys["languages"].unique(_language)
    languages = overrides.languages or listed
    if len(languages) < 2:
        keys["languages"].fail("at least two languages", languages)
    known = dict.fromkeys([*listed, *languages])
    sources = get(keys, "sources", lambda node: node.unique(lambda item: item.choice(*known)), languages[:1])
    study = Study(
        name=_name(keys["name"]),
        title=keys["title"].text().strip(),
        corpus=_corpus(keys["corpus"], languages, tuple(known)),
        languages=languages,
        sources=tuple(source for source in sources if source in languages) or languages[:1],
        models=(ModelDesign(overrides.model, overrides.model),)
        if overrides.model
        else get(keys, "models", _models, ()),
        sentences=overrides.sentences or get(keys, "sentences", lambda node: node.integer(4), 0),
        layers=get(keys, "layers", values.layers, None),
        pooling=get(keys, "pooling", _pooling, "mean"),
        pairs=get(keys, "pairs", values.pairs, "all"),
        measures=get(keys, "measures", lambda node: node.unique(values.measure), (MeasureDesign("cka"),)),
        standardise=get(keys, "standardise", Node.boolean, False),
        drop_top_variance=get(keys, "drop_top_variance", lambda node: node.integer(0), 0),
        random_init=get(keys, "random_init", _random_init, None),
        retrieval=get(keys, "retrieval", _retrieval, None),
        overflow=get(keys, "overflow", _overflow, "truncate"),
        alignment=get(keys, "alignment", _alignment, "intersect"),
        backend=get(keys, "backend", _backend, "torch"),
        compute_dtype=get(keys, "compute_dtype", _compute_type, "float32"),
        interventions=get(keys, "interventions", lambda node: interventions.read(node, languages), ()),
    )
    if study.random_init and study.random_init.retrieval and study.retrieval is None:
        keys["random_init"].fail("`retrieval: true` here only where the study has a key `retrieval`", "no such key")
    return replace(
        study, sections={each.key: each.read(keys[each.key], study) for each in SECTIONS if each.key in keys}
    )


def _only(root: Node, keys: Mapping[str, Node], only: tuple[str, ...]) -> Mapping[str, Node]:
    """The keys with other patterns of cells."""
    if not only:
        return keys
    if _PRETRAINED not in keys:
        root.fail(f"the key {_PRETRAINED}, whose cells are to be chosen", sorted(keys))
    asked = keys[_PRETRAINED]
    return {
        **keys,
        _PRETRAINED: replace(
            asked, value={key: each.value for key, each in asked.entries().items()} | {"only": list(only)}
        ),
    }


def _name(node: Node) -> str:
    if not _NAME.fullmatch(node.text()):
        node.fail("letters, digits, dots, dashes and underscores")
    return node.text()


def _language(node: Node) -> str:
    if not isinstance(node.value, str) or not _LANGUAGE.fullmatch(node.value):
        node.fail("a language tag such as en or zh-Hant")
    return str(node.value)


def _corpus(node: Node, languages: tuple[str, ...], known: tuple[str, ...]) -> CorpusDesign:
    keys = node.mapping("pattern", "files", "datasets", "format", "column", "id_column")
    if sum(key in keys for key in ("pattern", "files", "datasets")) != 1:
        node.fail("one of the keys pattern, files and datasets", sorted(keys))
    if "datasets" in keys:
        stored = {language: each.text() for language, each in keys["datasets"].mapping(*known).items()}
        for language in languages:
            if language not in stored:
                keys["datasets"].fail(f"a dataset for language {language}", sorted(stored))
        return CorpusDesign({}, datasets={language: stored[language] for language in languages})
    if "pattern" in keys:
        files = {language: corpus_path(keys["pattern"], language) for language in languages}
    else:
        given = keys["files"].mapping(*known)
        for language in languages:
            if language not in given:
                keys["files"].fail(f"a file for language {language}", sorted(given))
        files = {language: corpus_path(given[language], language) for language in languages}
    return CorpusDesign(
        files=files,
        format=get(keys, "format", lambda node: node.choice(*(each.name for each in FORMATS)), None),
        column=get(keys, "column", Node.text, ""),
        id_column=get(keys, "id_column", Node.text, ""),
    )


def _models(node: Node) -> tuple[ModelDesign, ...]:
    models = node.unique(_model)
    labels = [model.label for model in models]
    for label in labels:
        if labels.count(label) > 1:
            node.fail("a label of its own for each model", label)
    return models


def _model(node: Node) -> ModelDesign:
    if isinstance(node.value, str):
        return ModelDesign(model_name(node), model_name(node))
    keys = node.mapping("name", "label", "revision", "fallback")
    if "name" not in keys:
        node.fail("the key name", sorted(keys))
    name = model_name(keys["name"])
    return ModelDesign(
        name=name,
        label=get(keys, "label", Node.text, name),
        revision=get(keys, "revision", Node.text, ""),
        fallback=get(keys, "fallback", model_name, ""),
    )


def _pooling(node: Node) -> Pooling:
    return cast(Pooling, node.choice("mean", "cls"))


def _overflow(node: Node) -> Overflow:
    return cast(Overflow, node.choice("truncate", "refuse"))


def _alignment(node: Node) -> Alignment:
    return cast(Alignment, node.choice("intersect", "strict"))


def _backend(node: Node) -> Backend:
    return cast(Backend, node.choice("torch", "onnx"))


def _compute_type(node: Node) -> ComputeType:
    return cast(ComputeType, node.choice("float32", "bfloat16", "int8"))


def _scheme(node: Node) -> Scheme:
    return cast(Scheme, node.choice("model", "torch_default"))


def _random_init(node: Node) -> RandomInitDesign:
    keys = node.mapping("groups", "seeds", "scheme", "pairs", "retrieval")
    return RandomInitDesign(
        groups=get(keys, "groups", _groups, None),
        seeds=get(keys, "seeds", lambda item: item.unique(lambda seed: seed.integer(0)), (0,)),
        scheme=get(keys, "scheme", _scheme, "model"),
        pairs=get(keys, "pairs", values.pairs, "sources"),
        retrieval=get(keys, "retrieval", Node.boolean, False),
    )


def _groups(node: Node) -> Mapping[str, tuple[int, ...]] | None:
    if node.value == "pairs":
        return None
    entries = node.entries()
    if not entries:
        node.fail("`pairs`, or at least one group")
    return {label: _group(entry) for label, entry in entries.items()}


def _group(node: Node) -> tuple[int, ...]:
    if isinstance(node.value, list):
        return tuple(sorted(node.unique(lambda item: item.integer(1))))
    match = _RANGE.fullmatch(str(node.value))
    if match is None:
        node.fail("layers such as 3, 1-2 or [1, 4]")
    first = int(match["first"])
    last = int(match["last"] or first)
    if last < first:
        node.fail("layers in ascending order")
    return tuple(range(first, last + 1))


def _retrieval(node: Node) -> RetrievalDesign:
    keys = node.mapping("similarities", "centre", "pairs")
    return RetrievalDesign(
        similarities=get(keys, "similarities", _similarities, ("cosine", "csls")),
        centre=get(keys, "centre", _centre, (False,)),
        pairs=get(keys, "pairs", values.pairs, "sources"),
    )


def _similarities(node: Node) -> tuple[str, ...]:
    return node.unique(lambda item: item.choice("cosine", "csls"))


def _centre(node: Node) -> tuple[bool, ...]:
    return (node.boolean(),) if isinstance(node.value, bool) else node.unique(Node.boolean)
