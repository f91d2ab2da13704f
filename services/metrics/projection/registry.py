"""The projections by name."""

from typing import Final

from services.metrics.projection.base import Method
from services.metrics.projection.pca import pca
from services.metrics.projection.umap import umap

METHODS: Final[dict[str, Method]] = {"pca": pca, "umap": umap}
"""The first is the default."""
