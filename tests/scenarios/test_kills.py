"""A relay dies, a campus dies, a student's join dies: the class goes on, and no machine is left changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from carnet.lab.programs import Program
from tests.scenarios import machine, scene, worlds
from tests.scenarios.flow import PER_SECOND, Flow
from tests.scenarios.scene import Scene

pytestmark = [scene.needs_root, pytest.mark.root]

HOSTS = ("campus", "student")


@dataclass
class Class:
    """A class with two relays and a far direct way, and what the machines were like before."""

    scene: Scene
    paper: Path
    gate: Program
    relays: dict[str, Program]
    join: Program
    before: dict[str, dict[str, str]]

    def resumes(self, flow: Flow) -> None:
        """Wait until the flow arrives both ways again."""
        self.scene.until(flow.flows, "the class resumes")


@pytest.fixture(scope="module")
def on() -> Iterator[Class]:
    with scene.opened(worlds.ALL_WAYS) as small:
        small.found("one", "two", services=["zoom"])
        before = {host: machine.look(small, host) for host in HOSTS}
        gate = small.gate()
        relays = {name: small.relay(name) for name in ("one", "two")}
        paper = small.issue("li")
        yield Class(small, paper, gate, relays, small.join(paper), before)


def arrives_by(small: Scene, flow: Flow) -> str:
    """Return the way on which most of the student's packets come in now."""
    first = small.received_by()
    flow.let_pass(0.5)
    second = small.received_by()
    return max(second, key=lambda name: second[name] - first.get(name, 0))


def test_the_relay_in_use_is_killed(on: Class) -> None:
    small = on.scene
    with Flow(small) as flow:
        on.resumes(flow)
        # Both directions go by relay `one` before it dies.
        small.until(
            lambda: small.carrying() == arrives_by(small, flow) == "relay one", "both ways by relay one"
        )
        started = flow.up.sent, flow.down.sent
        small.kill(on.relays["one"])
        flow.let_pass(4.0)
        small.until(flow.flows, "the class goes on")
        assert flow.up.longest_gap(started[0] - 25) <= PER_SECOND
        assert flow.down.longest_gap(started[1] - 25) <= PER_SECOND
        assert small.carrying() in {"relay two", "direct"}
        # The control: something was lost, so the relay was in use.
        assert flow.up.longest_gap(started[0] - 25) > 0
        assert flow.down.longest_gap(started[1] - 25) > 0
    small.again(on.relays["one"], "ready relay")
    small.until(lambda: "relay one" in small.alive(), "the relay is found again once it is back")


def test_the_only_relay_is_killed_and_comes_back(on: Class) -> None:
    small = on.scene
    small.cut("student", "campus")
    small.cut("student", "two")
    try:
        with Flow(small) as flow:
            on.resumes(flow)
            small.kill(on.relays["one"])
            flow.let_pass(2.0)
            assert not flow.flows()
            small.again(on.relays["one"], "ready relay")
            on.resumes(flow)
    finally:
        small.mend("student", "campus")
        small.mend("student", "two")


def test_the_campus_is_killed_and_comes_back(on: Class) -> None:
    small = on.scene
    with Flow(small) as flow:
        on.resumes(flow)
        small.kill(on.gate)
        flow.let_pass(1.0)
        assert not flow.flows()
        # The control: a kill leaves rules and settings behind ...
        assert machine.look(small, "campus") != on.before["campus"]
        small.again(on.gate, "ready campus")
        on.resumes(flow)
    assert "repaired" in small.log(on.gate)


def test_the_join_is_killed_and_comes_back(on: Class) -> None:
    small = on.scene
    with Flow(small) as flow:
        on.resumes(flow)
        small.kill(on.join)
        flow.let_pass(1.0)
        assert not flow.flows()
        left = machine.look(small, "student")
        assert left["cat /etc/resolv.conf"] != on.before["student"]["cat /etc/resolv.conf"]
        small.again(on.join, "ready joined")
        on.resumes(flow)
    assert "repaired" in small.log(on.join)


def test_after_a_clean_end_the_machines_are_as_before(on: Class) -> None:
    # ... and after all the kills above, the ordinary end still gives everything back.
    small = on.scene
    during = {host: machine.look(small, host) for host in HOSTS}
    small.stop(on.join)
    small.stop(on.gate)
    for host in HOSTS:
        assert during[host] != on.before[host]
        assert machine.look(small, host) == on.before[host]
