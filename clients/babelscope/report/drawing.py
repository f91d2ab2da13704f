"""What static figures share: their style, their colours, and how one is written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from babelscope.data.atomic import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind readers as well.
PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7A5C3E")
MARKERS: Final = ("o", "s", "D", "^", "P", "X", "*", "v")
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "svg.hashsalt": "babelscope",  # the same numbers give the same bytes
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A static figure.

    Attributes:
        name: Name of its file, without the ending.
        title: Over it.
        draw: Draws it.
        size: Width and height in inches.
    """

    name: str
    title: str
    draw: "Callable[[Figure], None]"
    size: tuple[float, float] = (6.4, 4.2)


def save(drawing: Drawing, folder: Path) -> Path:
    """Writes a figure as SVG and gives its path.

    Raises:
        ImportError: Matplotlib is not installed (extra `report`).
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=drawing.size, layout="constrained")
        figure.suptitle(drawing.title, x=0.01, ha="left", fontsize=10)
        drawing.draw(figure)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{drawing.name}.svg"
        with whole(path) as file:
            figure.savefig(file, format="svg", metadata={"Date": None})
    return path


def stem(name: str) -> str:
    """A name fit for a file."""
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in name)


def facets(count: int) -> tuple[int, int, tuple[float, float]]:
    """Rows and columns for so many small figures, and the size of the whole in inches."""
    columns = min(4, count)
    rows = -(-count // columns)
    return rows, columns, (2.6 * columns + 0.8, 2.5 * rows + 0.5)


def tick(layer: int) -> str:
    """A layer on an axis: `emb`, `1`."""
    return "emb" if layer == 0 else str(layer)
