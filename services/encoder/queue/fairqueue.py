"""The order in which queued texts reach the device: fair between streams, alike in length within a batch.

Each text gets a start tag on arrival, `max(clock, the stream's last tag) + tokens x the client's open streams`
(start-time fair queueing, Goyal et al. 1996, with each client's share divided among its streams). The text of the
smallest tag, over all groups, is the next batch's *anchor*; the batch is filled with the texts nearest to it in length
from a window of eight budgets, taken in tag order. So a batch always serves whose turn it is, and its lengths are
alike. One batch in four is anchored at the text that has waited longest, if that is longer than the age cap: newcomers,
whose tags start at the clock, cannot hold it back for ever.
"""

import heapq
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import count

from services.models.spec import TokenizedText

WINDOW = 8
"""Budgets of tokens that are sorted by length."""
OLDEST_EVERY = 4
"""One batch in so many is anchored at the oldest text, once it is over the age cap."""


@dataclass(eq=False, slots=True)
class Flow:
    """One stream's place in the order.

    Attributes:
        client: Client that the stream belongs to.
        number: Distinguishes flows and orders them by age.
        tag: The start tag of the next text.
        queued: Its texts in the queue.
    """

    client: str
    number: int
    tag: float = 0.0
    queued: int = 0


@dataclass(eq=False, slots=True)
class Entry:
    """A text that waits.

    Attributes:
        flow: Flow that the text belongs to.
        index: Its position within the flow's stream.
        id: Id of the text.
        text: Its tokens.
        length: Their number.
        arrived: Time at which it was queued, in seconds of a monotonic clock.
        reserved: Bytes of its answer.
        memory: Bytes that it holds while it waits.
        group: The group it waits in; None when it waits no longer.
    """

    flow: Flow
    index: int
    id: str
    text: TokenizedText
    length: int
    arrived: float
    reserved: int
    memory: int = 0
    tag: float = 0.0
    group: "PlanGroup | None" = None
    in_window: bool = False


@dataclass(eq=False, slots=True)
class PlanGroup:
    """Texts that may share a batch.

    Attributes:
        key: What they have in common.
        budget: Padded tokens a batch.
        texts: Number of waiting texts.
        order: All that wait, a heap by tag; those taken from the middle stay until they reach the top.
        outside: Waiting texts that are not yet in the window, likewise a heap by tag.
        window: Sorted by length.
    """

    key: Hashable
    budget: int
    texts: int = 0
    order: list[tuple[float, int, Entry]] = field(default_factory=list)
    outside: list[tuple[float, int, Entry]] = field(default_factory=list)
    window: list[Entry] = field(default_factory=list)
    window_tokens: int = 0


def _length(entry: Entry) -> int:
    return entry.length


class FairQueue:
    """Queued texts of all streams, in groups that may share a batch. Not thread-safe: it belongs to one event loop.

    Args:
        age_cap: Seconds after which a text may jump the order.
    """

    def __init__(self, age_cap: float = 1.0) -> None:
        self.age_cap = age_cap
        self.texts = 0
        self.tokens = 0
        self._clock = 0.0
        self._batches = 0
        self._groups: dict[Hashable, PlanGroup] = {}
        self._arrivals: deque[Entry] = deque()
        self._open: dict[str, int] = {}
        self._numbers = count()

    def open(self, client: str) -> Flow:
        """Opens a flow for one stream of a client."""
        self._open[client] = self._open.get(client, 0) + 1
        return Flow(client, next(self._numbers), self._clock)

    def close(self, flow: Flow) -> list[Entry]:
        """Closes a flow and returns the texts that it had waiting, which are dropped at once."""
        left = self._open[flow.client] - 1
        if left:
            self._open[flow.client] = left
        else:
            del self._open[flow.client]
        return self._drop(flow) if flow.queued else []

    def push(self, key: Hashable, budget: int, entries: Iterable[Entry]) -> None:
        """Queues texts of one flow in the group `key`, whose batches hold at most `budget` padded tokens.

        A text of more than `budget` tokens would make a batch of its own; whoever admits texts refuses it before.
        """
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = PlanGroup(key, budget)
        for entry in entries:
            flow = entry.flow
            entry.tag = max(self._clock, flow.tag)
            flow.tag = entry.tag + entry.length * self._open[flow.client]
            flow.queued += 1
            entry.group = group
            group.texts += 1
            ranked = (entry.tag, next(self._numbers), entry)
            heapq.heappush(group.order, ranked)
            heapq.heappush(group.outside, ranked)
            self._arrivals.append(entry)
            self.texts += 1
            self.tokens += entry.length

    def take(self, now: float) -> list[Entry]:
        """Takes the next batch, the texts of one flow side by side; empty where nothing waits.

        Args:
            now: The time, on the clock of `Entry.arrived`.
        """
        anchor = self._anchor(now)
        if anchor is None or anchor.group is None:
            return []
        group = anchor.group
        self._fill(group, anchor)
        batch = _nearest(group, anchor)
        for entry in batch:
            self._leave(entry, group)
        if not group.texts:
            del self._groups[group.key]
        batch.sort(key=lambda entry: (entry.flow.number, entry.index))
        return batch

    def _anchor(self, now: float) -> Entry | None:
        """The text whose turn it is, over all groups."""
        while self._arrivals and self._arrivals[0].group is None:
            self._arrivals.popleft()
        if not self._arrivals:
            return None
        self._batches += 1
        oldest = self._arrivals[0]
        if self._batches % OLDEST_EVERY == 0 and now - oldest.arrived > self.age_cap:
            return oldest
        heads = []
        for group in self._groups.values():
            while group.order and group.order[0][2].group is None:
                heapq.heappop(group.order)
            if group.order:
                heads.append(group.order[0])
        anchor = min(heads)[2]
        self._clock = max(self._clock, anchor.tag)
        return anchor

    @staticmethod
    def _fill(group: PlanGroup, anchor: Entry) -> None:
        """Brings the anchor into the window, and others in tag order while there is room."""
        if not anchor.in_window:
            _enter(group, anchor)
        while group.outside and group.window_tokens < WINDOW * group.budget:
            entry = heapq.heappop(group.outside)[2]
            if entry.group is not None and not entry.in_window:
                _enter(group, entry)

    def _leave(self, entry: Entry, group: PlanGroup) -> None:
        entry.group = None
        group.texts -= 1
        entry.flow.queued -= 1
        self.texts -= 1
        self.tokens -= entry.length

    def _drop(self, flow: Flow) -> list[Entry]:
        dropped = []
        for group in list(self._groups.values()):
            mine = [entry for _, _, entry in group.order if entry.flow is flow and entry.group is not None]
            if not mine:
                continue
            for entry in mine:
                self._leave(entry, group)
            dropped += mine
            group.order = [ranked for ranked in group.order if ranked[2].group is not None]
            group.outside = [ranked for ranked in group.outside if ranked[2].group is not None]
            group.window = [entry for entry in group.window if entry.group is not None]
            group.window_tokens = sum(entry.length for entry in group.window)
            heapq.heapify(group.order)
            heapq.heapify(group.outside)
            if not group.texts:
                del self._groups[group.key]
        self._arrivals = deque(entry for entry in self._arrivals if entry.group is not None)
        return dropped


def _enter(group: PlanGroup, entry: Entry) -> None:
    insort(group.window, entry, key=_length)
    group.window_tokens += entry.length
    entry.in_window = True


def _nearest(group: PlanGroup, anchor: Entry) -> list[Entry]:
    """Takes the anchor and its neighbours in length out of the window, as many as the budget holds when padded."""
    window = group.window
    low = bisect_left(window, anchor.length, key=_length)
    while window[low] is not anchor:
        low += 1
    high = low + 1
    longest = anchor.length
    while True:
        room = group.budget // (high - low + 1)
        below = low > 0 and longest <= room
        above = high < len(window) and window[high].length <= room
        if below and (not above or anchor.length - window[low - 1].length < window[high].length - anchor.length):
            low -= 1
        elif above:
            longest = window[high].length
            high += 1
        else:
            break
    batch = window[low:high]
    del window[low:high]
    group.window_tokens -= sum(entry.length for entry in batch)
    return batch
