"""Rows of a word embedding table."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.encoder.backends.decoding import finite
from services.models.layers.interventions import Interventions
from services.models.spec import Edit


def rows_of(table_VE: Tensor, ids: NDArray[np.int64], edits: Sequence[Edit]) -> NDArray[np.float32]:
    """Rows after the edits of layer 0, [n, e].

    Args:
        table_VE: Word embeddings.
        ids: [n], within the table.
        edits: Fit the table's width.

    Raises:
        NotFinite: They have numbers that are not finite.
    """
    device = str(table_VE.device)
    with torch.inference_mode():
        rows = torch.index_select(table_VE, 0, torch.from_numpy(ids).to(device)).float()
        found: NDArray[np.float32] = finite(Interventions(edits, device).apply_to_content(0, rows), 0).cpu().numpy()
    return found
