from services.encoder.queue.shares import SharedCapacity


def test_one_holder_takes_half() -> None:
    shared = SharedCapacity(100)
    held = 0
    while shared.admits(held, 1):
        shared.take(1)
        held += 1
    assert held == 50


def test_greedy_holders_always_leave_room_for_the_next() -> None:
    shared = SharedCapacity(6400)
    held = [0] * 63
    progress = True
    while progress:
        progress = False
        for holder, amount in enumerate(held):
            if shared.admits(amount, 10):
                shared.take(10)
                held[holder] += 10
                progress = True
    assert shared.admits(0, 50)
    assert max(held) - min(held) <= 10


def test_a_first_piece_needs_only_to_fit() -> None:
    shared = SharedCapacity(100)
    assert shared.admits(0, 100)
    assert not shared.admits(0, 101)
    shared.take(40)
    assert shared.admits(0, 60)
    shared.give(40)
    assert shared.free == 100
