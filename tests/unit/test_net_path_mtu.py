"""Path MTU discovery as a machine: what it probes, and when it stops believing."""

from __future__ import annotations

from swarm.net.path_mtu import (
    BASE,
    EXPIRED_IS_HOLE,
    LADDER,
    LARGEST,
    LOST_IS_HOLE,
    RAISE_AGAIN,
    ROUNDS,
    PathMtu,
)


def raised(size: int) -> PathMtu:
    path = PathMtu()
    path.start(0.0)
    path.due(0.0)
    path.probe_arrived(size)
    return path


def test_nothing_is_due_before_the_start() -> None:
    assert PathMtu().due(10.0) == ()


def test_all_larger_sizes_are_tried_at_once_smallest_first() -> None:
    path = PathMtu()
    path.start(0.0)
    assert path.due(0.0) == LADDER
    assert path.due(0.1) == ()


def test_the_rounds_end_and_begin_again_after_ten_minutes() -> None:
    path = PathMtu()
    path.start(0.0)
    now, times = 0.0, []
    while path.wake_at is not None and now < 2 * RAISE_AGAIN:
        now = path.wake_at
        times.append(now)
        assert path.due(now) == LADDER
    assert times[: len(ROUNDS)] == [0.0, 0.5, 3.5]
    assert times[len(ROUNDS)] == 3.5 + RAISE_AGAIN


def test_probes_may_arrive_in_any_order() -> None:
    path = raised(1452)
    path.probe_arrived(1232)
    assert path.size == 1452
    assert path.due(ROUNDS[1]) == (8952, LARGEST)


def test_large_packets_expiring_in_a_row_are_a_black_hole() -> None:
    path = raised(LARGEST)
    for _ in range(EXPIRED_IS_HOLE - 1):
        path.expired(LARGEST)
    assert path.size == LARGEST
    path.expired(LARGEST)
    assert path.size == BASE
    assert path.due(1.0) == LADDER  # perhaps it was congestion: ask at once


def test_large_packets_lost_in_a_row_are_a_black_hole() -> None:
    path = raised(1452)
    for _ in range(LOST_IS_HOLE):
        path.lost(1400)
    assert path.size == BASE


def test_one_large_packet_that_arrives_clears_the_suspicion() -> None:
    path = raised(1452)
    for _ in range(10 * LOST_IS_HOLE):
        for _ in range(LOST_IS_HOLE - 1):
            path.lost(1452)
        path.arrived(1452)
    assert path.size == 1452


def test_small_packets_prove_nothing_either_way() -> None:
    path = raised(1452)
    for _ in range(LOST_IS_HOLE - 1):
        path.lost(1452)
    path.arrived(BASE)
    path.lost(BASE)
    assert path.size == 1452
    path.lost(1452)
    assert path.size == BASE


def test_late_losses_of_the_old_size_do_not_count_against_the_new() -> None:
    path = raised(1372)
    for _ in range(10 * LOST_IS_HOLE):
        path.lost(LARGEST)
        path.expired(LARGEST)
    assert path.size == 1372


def test_another_path_is_begun_at_what_every_path_carries() -> None:
    path = raised(8952)
    path.begin_anew()
    assert path.size == BASE
    assert path.due(1000.0)[0] > BASE
    fresh = PathMtu()
    fresh.begin_anew()
    assert fresh.due(1000.0) == (), "not before it is trusted"
