"""The choice of a path as a pure function."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.tunnel.config import PathConfig
from carnet.tunnel.paths import DirectionLoss, PathEstimate
from carnet.tunnel.policy import Choice, choose, cost

CONFIG = PathConfig()


def estimate(
    path: int, *, alive: bool = True, delay_s: float = 0.05, loss: float = 0.0, full: bool = True
) -> PathEstimate:
    return PathEstimate(
        path=path,
        alive=alive,
        rtt_s=2 * delay_s,
        loss_in=loss,
        loss_out=loss,
        doubt_out=0.001,
        burst_in=1,
        burst_out=1,
        delay_in_s=delay_s,
        delay_out_s=delay_s,
        full_mtu=full,
        silent_s=0.0,
    )


estimates = st.lists(
    st.builds(
        estimate,
        st.integers(0, 5),
        alive=st.booleans(),
        delay_s=st.floats(0.001, 1),
        loss=st.floats(0, 0.5),
        full=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda one: one.path,
)


@given(estimates, st.integers(0, 5), st.floats(0, 100))
def test_a_dead_path_is_never_chosen_while_one_lives(
    found: list[PathEstimate], used: int, now: float
) -> None:
    chosen = choose(found, Choice(path=used), now, CONFIG).path
    alive = {one.path for one in found if one.alive}
    assert chosen in alive if alive else chosen == used


@given(estimates, st.floats(0, 100))
def test_with_nothing_in_use_the_cheapest_living_path_is_chosen(
    found: list[PathEstimate], now: float
) -> None:
    chosen = choose(found, Choice(), now, CONFIG).path
    alive = {one.path: cost(one) for one in found if one.alive}
    assert chosen is None if not alive else alive[chosen or 0] == min(alive.values())


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (estimate(0, delay_s=0.05), estimate(1, delay_s=0.10)),
        (estimate(0, loss=0.01), estimate(1, loss=0.03)),
        (estimate(0, delay_s=0.12, loss=0.0), estimate(1, delay_s=0.05, loss=0.03)),
        (estimate(0, delay_s=0.05, loss=0.005), estimate(1, delay_s=0.4, loss=0.0)),
        (estimate(0, delay_s=0.3, loss=0.1), estimate(1, delay_s=0.01, full=False)),
    ],
)
def test_cost_orders_paths_as_a_listener_would(better: PathEstimate, worse: PathEstimate) -> None:
    assert cost(better) < cost(worse)


def test_a_rival_must_stay_better() -> None:
    used, rival = estimate(0, loss=0.1), estimate(1)
    choice = Choice(path=0, since=0.0)
    for tick in range(100, 100 + round(CONFIG.hold_s * 10)):
        choice = choose([used, rival], choice, tick / 10, CONFIG)
        assert choice.path == 0
    assert choose([used, rival], choice, 10 + CONFIG.hold_s, CONFIG).path == 1
    doubted = choose([used, estimate(1, loss=0.1)], choice, 12.9, CONFIG)
    assert choose([used, rival], doubted, 10 + CONFIG.hold_s, CONFIG).path == 0


def test_the_first_seconds_settle_on_the_better_path_at_once() -> None:
    slow, fast = estimate(0, delay_s=0.125), estimate(1, delay_s=0.100)
    first = choose([slow], Choice(), 10.0, CONFIG)
    assert first.path == 0
    assert choose([slow, fast], first, 10.5, CONFIG).path == 1
    late = choose([slow, fast], first, 10.0 + CONFIG.settle_s, CONFIG)
    assert late.path == 0, "later, so little is no reason to move a class"


def test_a_path_little_is_known_of_does_not_take_over() -> None:
    used, rival = estimate(0, loss=0.02), estimate(1, loss=0.01)
    late = Choice(path=0, since=0.0, rival=1, rival_since=0.0)
    assert choose([used, rival], late, 100.0, CONFIG).path == 1
    assert choose([used, replace(rival, doubt_out=0.02)], late, 100.0, CONFIG).path == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=40))
def test_loss_without_memory_limits_is_the_plain_share(steps: list[tuple[int, int]]) -> None:
    meter = DirectionLoss(memory_s=1e12)
    received = lost = bursts = 0
    for got, missing in steps:
        received, lost, bursts = received + got, lost + missing, bursts + (missing > 0)
        meter.feed(received, lost, bursts, 0.1)
    assert meter.loss == pytest.approx((lost + 0.2) / (received + lost + 20))


def test_old_loss_is_forgotten() -> None:
    meter = DirectionLoss(memory_s=10)
    meter.feed(100, 50, 50, 0.1)
    high = meter.loss
    for tick in range(600):
        meter.feed(100 + 6 * tick, 50, 50, 0.1)
    assert high > 0.25
    assert meter.loss < 0.01


def test_a_path_born_again_starts_anew() -> None:
    meter = DirectionLoss(memory_s=10)
    meter.feed(1000, 500, 500, 0.1)
    meter.feed(10, 0, 0, 0.1)
    assert meter.loss < 0.02
