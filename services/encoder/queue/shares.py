"""A capacity that many holders share so that none of them can block the others."""


class SharedCapacity:
    """Counts what is held of a capacity and says who may take more.

    A holder may hold no more than what is free besides (dynamic thresholds: Choudhury and Hahne 1998, with a factor of
    1). One holder alone takes up to a half; n greedy holders take 1/(n + 1) each, and as much stays free for the next.

    Args:
        capacity: How much there is, in any unit.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0

    @property
    def free(self) -> int:
        """What nobody holds."""
        return self.capacity - self.used

    def admits(self, held: int, amount: int) -> bool:
        """Whether a holder of `held` may take `amount` more. A first piece needs only to fit what is free."""
        return held + amount <= self.free

    def take(self, amount: int) -> None:
        """Counts `amount` as held."""
        self.used += amount

    def give(self, amount: int) -> None:
        """Counts `amount` as free again."""
        self.used -= amount
