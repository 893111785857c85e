"""A student's machine changes its address in the middle of a class, as from Wi-Fi to a phone."""

from collections.abc import Iterator

import pytest

from tests.scenarios import scene, worlds
from tests.scenarios.flow import PER_SECOND, Flow
from tests.scenarios.scene import Scene

pytestmark = [scene.needs_root, pytest.mark.root]


@pytest.fixture(scope="module", params=["relays", "direct"])
def small(request: pytest.FixtureRequest) -> Iterator[Scene]:
    relays = ("one", "two") if request.param == "relays" else ()
    with scene.opened(worlds.ALL_WAYS if relays else worlds.DIRECT_ONLY) as made:
        made.found(*relays)
        made.gate()
        for relay in relays:
            made.relay(relay)
        made.join(made.issue("li"))
        yield made


def test_a_class_goes_on_at_another_address(small: Scene) -> None:
    with Flow(small) as flow:
        small.until(flow.flows, "the class begins")
        for address in ("192.0.2.77", "192.0.2.10"):
            started = flow.up.sent, flow.down.sent
            small.stage.emulation.readdress("student", [address])
            flow.let_pass(3.0)
            small.until(flow.flows, "the class goes on")
            assert flow.up.longest_gap(started[0] - 25) <= 2 * PER_SECOND
            assert flow.down.longest_gap(started[1] - 25) <= 2 * PER_SECOND
