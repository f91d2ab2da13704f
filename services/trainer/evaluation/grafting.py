"""Task layers of one model on the lower layers of another (Conneau, Wu et al. 2020, section 5.1.2).

Embeddings, tokenizer and layers 1..i are those of the target language's model; the layers above and the head are those
of the checkpoint, which was trained on the source language. A map at layer i, given as an intervention, takes the
hidden states of the one to those of the other.
"""

from dataclasses import replace

from services.models.catalogue import LoadedModel
from services.models.general.languages import Languages
from services.models.layers.separate import SeparateBlock
from services.runtime.errors import InvalidArgument


def graft(upper: LoadedModel, lower: LoadedModel, layer: int) -> LoadedModel:
    """The layers of one model above those of another.

    Args:
        upper: The model whose layers above `layer` are used.
        lower: The model whose tokenizer, embeddings and layers up to `layer` are used.
        layer: i; with 0 the embeddings alone are of the lower model.

    Raises:
        InvalidArgument: One of them has fewer layers, their hidden states have different widths, or both have parts of
            single languages and these differ.
    """
    most = min(upper.info.layers, lower.info.layers)
    if not 0 <= layer <= most:
        raise InvalidArgument("lower_part.layer", f"Expected a layer within 0..{most} of both models, but got {layer}")
    if upper.info.hidden_size != lower.info.hidden_size:
        raise InvalidArgument(
            "lower_part.model",
            f"Expected a model with hidden states of width {upper.info.hidden_size}, as the checkpoint's are, but got "
            f"{lower.info.hidden_size}",
        )
    encoder = replace(
        upper.encoder,
        embeddings=lower.encoder.embeddings,
        blocks=lower.encoder.blocks[:layer] + upper.encoder.blocks[layer:],
        head=None,
    )
    languages = _languages(upper, lower, layer)
    info = replace(
        upper.info,
        max_tokens=lower.info.max_tokens,
        vocabulary_size=lower.info.vocabulary_size,
        digest=f"{lower.info.digest}:{layer}:{upper.info.digest}",
        languages=() if languages is None else languages.names,
    )
    return LoadedModel(info, lower.tokenizer, encoder, lower.positions, languages)


def _languages(upper: LoadedModel, lower: LoadedModel, layer: int) -> Languages | None:
    """The languages that the joint model must be told; None where it needs none."""
    above = upper.languages if any(isinstance(each, SeparateBlock) for each in upper.encoder.blocks[layer:]) else None
    below = lower.languages
    if above is not None and below is not None and above.codes != below.codes:
        raise InvalidArgument(
            "lower_part.model",
            f"Expected a model of the languages {', '.join(above.codes)}, of which the checkpoint has parts above "
            f"layer {layer}, but got {', '.join(below.codes)}",
        )
    return below if above is None else above
