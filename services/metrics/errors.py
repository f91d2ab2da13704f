"""What the mathematics of this service refuses."""


class Degenerate(Exception):
    """The data do not determine the number asked for: too few rows, constant features, a variance of 0.

    The engine adds where it happened and turns it into an `InvalidArgument`.

    Args:
        cause: What was expected and what was got, with n and d, a sentence.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def all_equal(n: int, d: int, side: str = "") -> Degenerate:
    """A view whose rows are all equal.

    Args:
        n: Rows.
        d: Their dimensions.
        side: `left` or `right`, where known.
    """
    rows = f"the {side} rows" if side else "the rows"
    return Degenerate(
        f"Expected features that vary, but {rows} are all equal (n={n}, d={d}): leave that layer out; with CLS pooling "
        "layer 0 is the same vector for every text, with mean pooling it is not"
    )
