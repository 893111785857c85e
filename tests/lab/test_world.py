"""Worlds: strict parsing, and what every shipped world promises."""

import re
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnet.errors import MisuseError
from carnet.lab import world
from carnet.lab.world import Kill, Readdress, SetLink, Shape

SMALL = """
title = "Two ways"
source = "made up for a test"
[[host]]
name = "student"
role = "student"
addresses = ["192.0.2.1"]
[[host]]
name = "campus"
role = "campus"
addresses = ["192.0.2.2", "2001:db8::2"]
[[host]]
name = "room"
role = "classroom"
addresses = ["192.0.2.3"]
[[host]]
name = "near"
role = "relay"
addresses = ["192.0.2.4"]
[[host]]
name = "far"
role = "relay"
addresses = ["192.0.2.5"]
[[link]]
from = "campus"
to = "student"
delay_s = 0.1
loss = 0.04
[[link]]
from = "student"
to = "campus"
delay_s = 0.1
[[link]]
from = "near"
to = "student"
delay_s = 0.01
loss = 0.02
[[link]]
from = "far"
to = "student"
delay_s = 0.2
loss = 0.01
[[link]]
from = "near"
to = "campus"
both = true
delay_s = 0.05
[[link]]
from = "far"
to = "campus"
both = true
delay_s = 0.05
[[event]]
at_s = 3
action = "set_link"
from = "campus"
to = "student"
delay_s = 0.3
[[event]]
at_s = 5
action = "kill"
host = "in-use"
[[event]]
at_s = 7
action = "readdress"
host = "student"
addresses = ["192.0.2.99"]
"""


@pytest.mark.parametrize("name", world.shipped())
def test_every_shipped_world_states_a_source_and_links_both_ends(name: str) -> None:
    shipped = world.load(name)
    assert re.search(r"\d", shipped.source), "a source has figures"
    assert len(shipped.source.strip()) > 60
    student, campus = shipped.only("student").name, shipped.only("campus").name
    for source, target in ((student, campus), (campus, student), (campus, shipped.only("classroom").name)):
        assert shipped.shape(source, target) is not None


def test_the_worlds_that_were_promised_are_there() -> None:
    promised = {"clear", "evening", "storm", "policed", "skewed", "shared", "blackout", "roaming", "thin"}
    assert promised | {"loss2", "loss10", "line"} <= set(world.shipped())


def test_a_world_is_read_as_it_is_written() -> None:
    small = world.parse(SMALL)
    assert [relay.name for relay in small.relays] == ["near", "far"]
    assert small.shape("campus", "student") == Shape(delay_s=0.1, loss=0.04)
    assert small.shape("near", "campus") == small.shape("campus", "near") == Shape(delay_s=0.05)
    assert small.shape("student", "near") is None
    link, kill, move = small.events
    assert isinstance(link, SetLink)
    assert link.shape == Shape(delay_s=0.3)
    assert kill == Kill(at_s=5, host="in-use")
    assert move == Readdress(at_s=7, host="student", addresses=["192.0.2.99"])


def test_the_classroom_shares_the_fate_of_the_campus() -> None:
    small = world.parse(SMALL)
    down = {(link.source, link.target): link.shape for link in small.every_link() if link.target == "student"}
    assert down["room", "student"] == down["campus", "student"]
    assert down["room", "student"].group, "the same group is what makes the fate the same"
    assert down["room", "student"].group != small.every_link()[2].shape.group, "up and down are apart"


def test_the_best_relay_is_the_one_that_loses_least() -> None:
    assert world.parse(SMALL).best_relay().name == "far"


def test_a_world_without_relays_has_no_best_one() -> None:
    with pytest.raises(MisuseError, match="no relay"):
        world.load("loss2").best_relay()


@pytest.mark.parametrize(
    ("written", "instead", "named"),
    [
        ("delay_s = 0.2", "delay_s = -1", "delay_s"),
        ("delay_s = 0.2", "delay_s = nan", "delay_s"),
        ("delay_s = 0.2", "delay_s = inf", "delay_s"),
        ("delay_s = 0.2", 'delay_s = "slow"', "delay_s"),
        ("delay_s = 0.2", "delay_ms = 200", "delay_ms"),
        ("loss = 0.02", "loss = 1.5", "loss"),
        ("loss = 0.02", "loss_enter = 0.1\nloss_leave = 0.0", "loss_leave"),
        ("loss = 0.02", "police_bps = 1e6", "police_burst_bytes"),
        ("loss = 0.02", "outage_least_s = 2.0", "outage_least_s"),
        ("loss = 0.02", "rate_bps = 1.0", "rate_bps"),
        ('role = "classroom"', 'role = "relay"', "classroom"),
        ('role = "relay"', 'role = "cook"', "role"),
        ('name = "near"', 'name = "far"', "differ"),
        ('name = "near"', 'name = "in-use"', "in-use"),
        ('addresses = ["192.0.2.4"]', 'addresses = ["192.0.2.5"]', "once"),
        ('addresses = ["192.0.2.4"]', 'addresses = ["here"]', "here"),
        ('addresses = ["192.0.2.4"]', 'addresses = ["2001:db8::4"]', "IPv4"),
        ('host = "in-use"', 'host = "nobody"', "nobody"),
        ('action = "kill"', 'action = "sing"', "sing"),
        ("at_s = 7", "at_s = 4", "order"),
        ('source = "made up for a test"', "", "source"),
        ("both = true", 'both = "yes"', "both"),
    ],
)
def test_nonsense_is_refused_by_name(written: str, instead: str, named: str) -> None:
    assert written in SMALL
    with pytest.raises(MisuseError, match=named):
        world.parse(SMALL.replace(written, instead, 1))


def test_an_unknown_world_names_those_there_are() -> None:
    with pytest.raises(MisuseError, match="evening"):
        world.load("midsummer")


def test_a_world_too_long_is_not_read() -> None:
    with pytest.raises(MisuseError, match="characters"):
        world.parse("#" * (world.TEXT_BYTES + 1))


def test_brackets_without_end_are_refused() -> None:
    with pytest.raises(MisuseError):
        world.parse("a = " + "[" * 30_000)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_world_or_a_misuse(text: str) -> None:
    with pytest.raises(MisuseError):
        world.parse(text)


values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=3),
)
KEYS = (
    "title",
    "seed",
    "host",
    "link",
    "event",
    "class",
    "source",
    "name",
    "from",
    "to",
    "both",
    "shape",
    "action",
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(KEYS), st.one_of(values, st.lists(st.dictionaries(st.sampled_from(KEYS), values)))
    )
)
def test_any_structure_is_a_world_or_a_misuse(tree: dict[str, Any]) -> None:
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in tree.items())
    with pytest.raises(MisuseError):
        world.parse(text)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return "0" if value is None else msgspec.json.encode(value).decode()


@settings(deadline=None)
@given(st.data())
def test_a_world_with_one_character_changed_never_escapes(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SMALL) - 1))
    changed = SMALL[:at] + data.draw(st.characters()) + SMALL[at + 1 :]
    with suppress(MisuseError):
        world.parse(changed)


def test_expected_loss_is_the_share_of_time_and_packets_lost() -> None:
    bursts = Shape(delay_s=0, loss_enter=0.01, loss_leave=0.4, loss_in_burst=1.0)
    assert bursts.expected_loss() == pytest.approx(0.01 / 0.41)
    outages = Shape(delay_s=0, outage_every_s=9.0, outage_least_s=0.5, outage_most_s=1.5)
    assert outages.expected_loss() == pytest.approx(0.1)
    assert bursts.calm().expected_loss() == 0
