"""Names for the arrays of this service."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

F64: TypeAlias = NDArray[np.float64]
"""float64 of any shape."""

Floats: TypeAlias = NDArray[np.floating[Any]]
"""float32 or float64 of any shape."""

Scalars: TypeAlias = float | F64
"""One number, or one number a row."""
