"""Task layers of one model on the lower layers of another (Conneau, Wu et al. 2020, section 5.1.2).

Embeddings, tokenizer and layers 1..i are those of the target language's model; the layers above and the head are those
of the checkpoint, which was trained on the source language. A map at layer i, given as an intervention, takes the
hidden states of the one to those of the other.
"""

from dataclasses import replace

from services.models.catalogue import LoadedModel
from services.runtime.errors import InvalidArgument


def graft(upper: LoadedModel, lower: LoadedModel, layer: int) -> LoadedModel:
    """The layers of one model above those of another.

    Args:
        upper: The model whose layers above `layer` are used.
        lower: The model whose tokenizer, embeddings and layers up to `layer` are used.
        layer: i; with 0 the embeddings alone are of the lower model.

    Raises:
        InvalidArgument: One of them has fewer layers, or their hidden states have different widths.
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
    info = replace(
        upper.info,
        max_tokens=lower.info.max_tokens,
        vocabulary_size=lower.info.vocabulary_size,
        digest=f"{lower.info.digest}:{layer}:{upper.info.digest}",
    )
    return LoadedModel(info, lower.tokenizer, encoder, lower.positions)
