"""The E-model and freezes, against published points and plain definitions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.tunnel import quality


def test_the_best_call_is_that_of_g107() -> None:
    # G.107 table 2 and annex B: R of 93.2 is a MOS of 4.41.
    assert quality.rating(0.0, 0.0) == 93.2
    assert quality.mos(0.0, 0.0) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(("r", "expected"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_mos_of_a_rating_is_that_of_g107_table_b1(r: float, expected: float) -> None:
    percent = (93.2 - r) * quality.LOSS_ROBUSTNESS_PERCENT / (95 - (93.2 - r))
    assert quality.mos(0.05, percent / 100) == pytest.approx(expected, abs=0.01)


def test_half_of_what_loss_can_cost_is_lost_at_the_robustness() -> None:
    assert quality.loss_impairment(0.251) == pytest.approx(95 / 2)


def test_delay_costs_nothing_up_to_100_ms_and_is_continuous_there() -> None:
    assert quality.delay_impairment(0.1) == 0.0
    assert quality.delay_impairment(0.1001) == pytest.approx(0.0, abs=0.01)
    assert quality.delay_impairment(0.4) == pytest.approx(24.0, abs=0.5)


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_more_delay_or_loss_is_never_better(a: float, b: float, p: float, q: float) -> None:
    delay, loss = sorted((a, b)), sorted((p, q))
    worse = quality.rating(delay[1], loss[1])
    assert worse <= quality.rating(delay[0], loss[1]) + 1e-9
    assert worse <= quality.rating(delay[1], loss[0]) + 1e-9
    assert 1.0 <= quality.mos(delay[1], loss[1]) <= 4.5


def test_bursts_of_random_loss_have_ratio_one() -> None:
    # Loss 1/2 at random: bursts of 2 on average.
    assert quality.burst_ratio(lost=100, bursts=50, received=100) == pytest.approx(1.0)
    assert quality.burst_ratio(lost=100, bursts=10, received=900) == pytest.approx(9.0)
    assert quality.burst_ratio(0, 0, 0) == 1.0


def test_an_even_film_does_not_freeze() -> None:
    assert quality.freezes([n * 0.04 for n in range(200)]) == quality.Freezes(0, 0.0, 0.0)


def test_a_gap_is_a_freeze_from_mean_plus_150_ms() -> None:
    before = [n * 0.04 for n in range(31)]
    limit = 0.04 + 0.150
    assert quality.freezes([*before, before[-1] + limit - 0.001]).count == 0
    frozen = quality.freezes([*before, before[-1] + limit + 0.001])
    assert frozen.count == 1
    assert frozen.longest_s == frozen.total_s == pytest.approx(limit + 0.001)


def test_a_slow_film_freezes_at_three_means() -> None:
    before = [n * 0.2 for n in range(31)]
    assert quality.freezes([*before, before[-1] + 0.59]).count == 0
    assert quality.freezes([*before, before[-1] + 0.61]).count == 1


@given(st.lists(st.floats(0.001, 2), max_size=60))
def test_freezes_add_up(gaps: list[float]) -> None:
    times = [math.fsum(gaps[:n]) for n in range(len(gaps) + 1)]
    found = quality.freezes(times)
    assert 0 <= found.longest_s <= found.total_s <= (times[-1] if gaps else 0) + 1e-9
    assert (found.count == 0) == (found.total_s == 0)
