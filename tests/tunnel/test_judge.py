"""Dialogues between the judge and a simulated peer, in virtual time."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from carnet.errors import MisuseError
from carnet.facts import PeerReading
from carnet.tunnel.config import PathConfig
from carnet.tunnel.judge import PathJudge
from tests.tunnel.simulated import Line, SimulatedPeer

CLASS = 60.0  # packets a second
CONFIG = PathConfig()


class Dialogue:
    """A judge and a peer on one virtual clock, ten ticks a second."""

    def __init__(self, *lines: Line, initiates: bool = True, seed: int = 1) -> None:
        self.peer = SimulatedPeer(list(lines), seed)
        self.judge = PathJudge(CONFIG, 0.0, initiates=initiates)
        self.initiates = initiates
        self.now = 0.0
        self.choices: list[tuple[float, int | None]] = []
        self.shakes: list[float] = []

    def run(
        self, seconds: float, packets_per_s: float = CLASS, until: Callable[[], bool] | None = None
    ) -> None:
        for _ in range(round(seconds * 10)):
            self.now = round(self.now + 0.1, 6)
            reading = self.peer.advance(self.now, packets_per_s)
            self.judge.feed(reading, self.now, self.peer.carried if self.initiates else None)
            plan = self.judge.plan(self.now)
            self.peer.plan = plan
            if not self.choices or self.choices[-1][1] != self.judge.carrying:
                self.choices.append((self.now, self.judge.carrying))
            if plan.shake:
                self.shakes.append(self.now)
            if until is not None and until():
                return

    @property
    def carrying(self) -> int | None:
        return self.judge.carrying


def test_the_first_path_that_answers_carries() -> None:
    dialogue = Dialogue(Line(0, rtt_s=0.3), Line(1, rtt_s=0.05))
    dialogue.run(0.2)
    assert dialogue.carrying == 1


def test_the_better_path_takes_over_and_stays() -> None:
    dialogue = Dialogue(Line(0, rtt_s=0.1, loss=0.05), Line(1, rtt_s=0.2, loss=0.0))
    dialogue.run(60)
    assert [choice for _, choice in dialogue.choices if choice is not None] == [0, 1]


def test_a_dead_path_is_left_within_a_second_wherever_it_dies() -> None:
    for tenth in range(10):
        first, second = Line(0, rtt_s=0.1), Line(1, rtt_s=0.2)
        dialogue = Dialogue(first, second)
        dialogue.run(20 + tenth / 10)
        assert dialogue.carrying == 0
        died_at, first.down = dialogue.now, True
        dialogue.run(1.0)
        assert dialogue.carrying == 1
        assert dialogue.choices[-1][0] - died_at <= 1.0


def test_a_path_that_comes_back_must_prove_itself() -> None:
    first, second = Line(0, rtt_s=0.1), Line(1, rtt_s=0.3)
    dialogue = Dialogue(first, second)
    dialogue.run(20)
    first.down = True
    dialogue.run(3)
    first.down = False
    dialogue.run(CONFIG.hold_s - 0.2)
    assert dialogue.carrying == 1
    dialogue.run(30)
    assert dialogue.carrying == 0


@pytest.mark.parametrize("seed", range(5))
def test_two_equal_lossy_paths_do_not_flap(seed: int) -> None:
    dialogue = Dialogue(Line(0, loss=0.03), Line(1, loss=0.03), seed=seed)
    dialogue.run(300)
    changes = [at for at, _ in dialogue.choices[1:]]
    assert len(changes) <= 5
    assert all(after - before > 4 * CONFIG.rest_s for before, after in pairwise(changes))


def test_short_outages_on_every_path_do_not_flap() -> None:
    lines = Line(0, rtt_s=0.2), Line(1, rtt_s=0.21)
    dialogue = Dialogue(*lines)
    dialogue.run(10)
    for _ in range(30):
        for line in lines:
            line.down = True
        dialogue.run(0.2)
        for line in lines:
            line.down = False
        dialogue.run(1.8)
    assert len({choice for _, choice in dialogue.choices[1:]}) <= 1


def test_a_path_too_narrow_loses_to_a_full_one_and_still_carries_alone() -> None:
    narrow, full = Line(0, rtt_s=0.05, mtu_bytes=1184), Line(1, rtt_s=0.3)
    dialogue = Dialogue(narrow, full)
    dialogue.run(10)
    assert dialogue.carrying == 1
    full.down = True
    dialogue.run(2)
    assert dialogue.carrying == 0


def test_probes_slow_down_without_traffic_and_hurry_when_it_returns() -> None:
    dialogue = Dialogue(Line(0), Line(1))
    dialogue.run(5)
    assert dialogue.peer.plan.probe_s == CONFIG.probe_fast_s
    dialogue.run(20, packets_per_s=0)
    assert dialogue.peer.plan.probe_s == CONFIG.probe_idle_s
    dialogue.run(120, packets_per_s=0)
    assert dialogue.peer.plan.probe_s == CONFIG.probe_asleep_s
    dialogue.run(0.5)
    assert dialogue.peer.plan.probe_s == CONFIG.probe_fast_s


def test_an_idle_hour_changes_nothing() -> None:
    dialogue = Dialogue(Line(0), Line(1, rtt_s=0.15))
    dialogue.run(5)
    dialogue.run(3600, packets_per_s=0)
    assert dialogue.shakes == []
    assert len(dialogue.choices) <= 2
    assert all(estimate.alive for estimate in dialogue.judge.estimates)


def test_waking_up_on_a_path_that_died_meanwhile_costs_at_most_a_second() -> None:
    first, second = Line(0, rtt_s=0.05), Line(1, rtt_s=0.1)
    dialogue = Dialogue(first, second)
    dialogue.run(5)
    dialogue.run(300, packets_per_s=0)
    first.down = True
    woke_at = dialogue.now
    dialogue.run(1.1)
    assert dialogue.carrying == 1
    assert dialogue.choices[-1][0] - woke_at <= 1.1


def test_silence_everywhere_asks_for_handshakes_with_growing_pauses() -> None:
    line = Line(0)
    dialogue = Dialogue(line)
    dialogue.run(10)
    line.down = True
    died_at = dialogue.now
    dialogue.run(30)
    assert dialogue.shakes[0] - died_at == pytest.approx(CONFIG.shake_after_s, abs=0.4)
    pauses = [after - before for before, after in pairwise(dialogue.shakes)]
    assert pauses[:3] == pytest.approx([1, 2, 4], abs=0.11)
    assert pauses[3:] == pytest.approx([CONFIG.shake_most_s] * len(pauses[3:]), abs=0.11)
    line.down = False
    dialogue.run(10)
    line.down = True
    asked = len(dialogue.shakes)
    dialogue.run(4.2)
    assert [
        round(b - a) for a, b in zip(dialogue.shakes[asked:], dialogue.shakes[asked + 1 :], strict=False)
    ] == [1]


def test_a_campus_that_restarts_while_the_student_sleeps_is_called_again() -> None:
    line = Line(0)
    dialogue = Dialogue(line)
    dialogue.run(5)
    dialogue.run(120, packets_per_s=0)
    line.down = True
    died_at = dialogue.now
    dialogue.run(CONFIG.probe_asleep_s + 5, packets_per_s=0, until=lambda: bool(dialogue.shakes))
    assert dialogue.shakes
    assert dialogue.shakes[0] - died_at <= CONFIG.probe_asleep_s + 4


def test_a_far_end_never_asks_for_handshakes_and_follows_the_pace() -> None:
    line = Line(0)
    dialogue = Dialogue(line, initiates=False)
    dialogue.run(20, packets_per_s=CLASS)
    assert dialogue.peer.plan.probe_s == CONFIG.probe_fast_s
    dialogue.run(30, packets_per_s=0)
    assert dialogue.peer.plan.probe_s == CONFIG.probe_idle_s
    line.down = True
    dialogue.run(30, packets_per_s=0)
    assert dialogue.shakes == []


def test_a_stock_peer_is_left_to_wireguard() -> None:
    dialogue = Dialogue(Line(0, down=True))
    dialogue.peer.frames = False
    dialogue.run(4)
    dialogue.shakes.clear()
    dialogue.run(60)
    assert dialogue.shakes == []
    assert dialogue.peer.plan.shares == {}


def test_a_relay_that_comes_late_or_restarts_is_shown_a_handshake() -> None:
    dialogue = Dialogue(Line(0))
    dialogue.run(10)
    assert dialogue.shakes == []
    dialogue.peer.lines[1] = Line(1, down=True)
    dialogue.run(0.2)
    assert len(dialogue.shakes) == 1
    dialogue.run(200)
    pauses = [after - before for before, after in pairwise(dialogue.shakes)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=0.11)
    assert dialogue.carrying == 0


def test_a_relay_that_is_gone_from_the_readings_is_forgotten() -> None:
    dialogue = Dialogue(Line(0, rtt_s=0.3), Line(1, rtt_s=0.05))
    dialogue.run(10)
    assert dialogue.carrying == 1
    del dialogue.peer.lines[1]
    dialogue.run(0.2)
    assert dialogue.carrying == 0


def test_no_reading_no_plan_but_calls() -> None:
    judge = PathJudge(CONFIG, 0.0, initiates=True)
    judge.feed(PeerReading(public_key=b"k" * 32), 0.1, 0)
    plan = judge.plan(0.1)
    assert (plan.shares, plan.shake) == ({}, False)
    assert judge.plan(1.6).shake


@pytest.mark.parametrize(
    "changes",
    [
        {"probe_fast_s": 0.5},
        {"probe_idle_s": 0.01},
        {"dead_after_s": 2.0, "probe_fast_s": 0.1},
        {"shake_least_s": 9.0},
    ],
)
def test_nonsense_settings_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(MisuseError):
        PathConfig(**changes)
