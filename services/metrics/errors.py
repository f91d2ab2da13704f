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
