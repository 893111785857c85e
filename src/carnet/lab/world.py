"""Worlds: one emulated network each, as a TOML file.  Pure: text in, frozen values out.

A world says who is there, how each ordered pair of them is linked, and what happens when.  The links between
student and campus hold between student and classroom too, with the same fate, so that a class without any
tunnel meets the same evening.  Field names and units are those of the link engine.
"""

import ipaddress
import math
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec

from carnet.errors import MisuseError

TEXT_BYTES: Final = 65_536
"""Size of the largest world file read; ours are under 4 kB."""

IN_USE: Final = "in-use"
"""In a `kill`: whichever relay carries the class at that moment, or the direct path if none does."""

Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,19}\Z")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
Octets = Annotated[int, msgspec.Meta(ge=0, le=1 << 30)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frozen, and no field that is not known."""


class Host(_Strict, frozen=True, kw_only=True):
    """Somebody on the network."""

    name: Name
    role: Literal["student", "campus", "classroom", "relay"]
    addresses: Annotated[list[str], msgspec.Meta(min_length=1, max_length=4)]
    place: str = ""


class Shape(_Strict, frozen=True, kw_only=True):
    """How a link behaves; the defaults are those of a link that does nothing but delay."""

    delay_s: Seconds
    jitter_s: Seconds = 0.0
    rate_bps: Rate = 0.0
    queue_s: Seconds = 0.0
    police_bps: Rate = 0.0
    police_burst_bytes: Octets = 0
    loss: Share = 0.0
    loss_enter: Share = 0.0
    loss_leave: Share = 1.0
    loss_in_burst: Share = 0.0
    outage_every_s: Seconds = 0.0
    outage_least_s: Seconds = 0.0
    outage_most_s: Seconds = 0.0
    mtu_bytes: Octets = 0
    group: str = ""

    def expected_loss(self) -> float:
        """Return the share of packets lost in the long run, policing and full queues apart, 0..1."""
        bad = self.loss_enter / (self.loss_enter + self.loss_leave) if self.loss_enter else 0.0
        out_s = (self.outage_least_s + self.outage_most_s) / 2
        out = out_s / (self.outage_every_s + out_s) if self.outage_every_s else 0.0
        return 1 - (1 - self.loss) * (1 - bad * self.loss_in_burst) * (1 - out)

    def calm(self) -> "Shape":
        """Return this link on a good day: its delay and its rate, and nothing lost."""
        return Shape(
            delay_s=self.delay_s,
            jitter_s=self.jitter_s,
            rate_bps=self.rate_bps,
            queue_s=self.queue_s,
            mtu_bytes=self.mtu_bytes,
            group=self.group,
        )


class Link(_Strict, frozen=True, kw_only=True):
    """One direction between two hosts."""

    source: Name = msgspec.field(name="from")
    target: Name = msgspec.field(name="to")
    shape: Shape


class SetLink(_Strict, frozen=True, kw_only=True, tag_field="action", tag="set_link"):
    """From now on a link behaves otherwise."""

    at_s: Seconds
    source: Name = msgspec.field(name="from")
    target: Name = msgspec.field(name="to")
    shape: Shape


class Kill(_Strict, frozen=True, kw_only=True, tag_field="action", tag="kill"):
    """What runs on a host dies without a word."""

    at_s: Seconds
    host: Name


class Start(_Strict, frozen=True, kw_only=True, tag_field="action", tag="start"):
    """What ran on a host is started again."""

    at_s: Seconds
    host: Name


class Readdress(_Strict, frozen=True, kw_only=True, tag_field="action", tag="readdress"):
    """A host changes its addresses, as a laptop that goes from Wi-Fi to a phone."""

    at_s: Seconds
    host: Name
    addresses: Annotated[list[str], msgspec.Meta(min_length=1, max_length=4)]


Event = SetLink | Kill | Start | Readdress


class Class(_Strict, frozen=True, kw_only=True):
    """What is taught in this world: payload rates of the picture each way, and a replay beside it."""

    down_bps: Annotated[int, msgspec.Meta(ge=50_000, le=20_000_000)] = 1_130_000
    up_bps: Annotated[int, msgspec.Meta(ge=50_000, le=20_000_000)] = 330_000
    replay: Literal["", "voice", "share", "voice-share"] = "voice"


class World(_Strict, frozen=True, kw_only=True):
    """One emulated network.  Hosts by name, links by ordered pair, events in order of time."""

    title: Line
    source: Line
    """Where its numbers come from."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 1
    lesson: Class = msgspec.field(name="class", default_factory=Class)
    hosts: Annotated[list[Host], msgspec.Meta(min_length=3, max_length=32)] = msgspec.field(name="host")
    links: Annotated[list[Link], msgspec.Meta(min_length=1, max_length=512)] = msgspec.field(name="link")
    events: Annotated[list[Event], msgspec.Meta(max_length=256)] = msgspec.field(
        name="event", default_factory=list
    )

    def only(self, role: str) -> Host:
        """Return the one host of a role that has exactly one."""
        return next(host for host in self.hosts if host.role == role)

    @property
    def relays(self) -> list[Host]:
        """The relays, in the order of the file."""
        return [host for host in self.hosts if host.role == "relay"]

    def shape(self, source: str, target: str) -> Shape | None:
        """Return how packets from `source` to `target` fare at the start, or None if they have no way."""
        found = (link.shape for link in self.links if (link.source, link.target) == (source, target))
        return next(found, None)

    def best_relay(self) -> Host:
        """Return the relay a well-informed person would choose: least loss to the student, then least delay.

        Raises:
            MisuseError: the world has no relay that links both ends.
        """
        student, campus = self.only("student").name, self.only("campus").name

        def cost(relay: Host) -> tuple[float, float]:
            legs = [self.shape(campus, relay.name), self.shape(relay.name, student)]
            if not all(legs):
                return (math.inf, math.inf)
            kept = math.prod(1 - leg.expected_loss() for leg in legs if leg)
            return (round(1 - kept, 3), sum(leg.delay_s for leg in legs if leg))

        best = min(self.relays, key=cost, default=None)
        if best is None or math.isinf(cost(best)[0]):
            raise MisuseError("this world has no relay between student and campus")
        return best

    def every_link(self) -> list[Link]:
        """Return all links, those between student and campus again for the classroom, with the same fate."""
        return [twin for link in self.links for twin in self.twins(link)]

    def twins(self, link: Link | SetLink) -> list[Link]:
        """Return a link and, if it joins student and campus, the same link to or from the classroom."""
        student, campus, room = (self.only(role).name for role in ("student", "campus", "classroom"))
        ends = (link.source, link.target)
        if set(ends) != {student, campus}:
            return [Link(source=link.source, target=link.target, shape=link.shape)]
        group = link.shape.group or f"{link.source}>{link.target}"
        shape = msgspec.structs.replace(link.shape, group=group)
        room_ends = tuple(room if end == campus else end for end in ends)
        return [Link(source=a, target=b, shape=shape) for a, b in (ends, room_ends)]


def parse(text: str) -> World:
    """Return the world a TOML text describes.

    Raises:
        MisuseError: the text is no TOML, has a field that is unknown, missing or out of its range, or names
            a host that is not there; the message names the field.
    """
    if len(text) > TEXT_BYTES:
        raise MisuseError(f"a world is at most {TEXT_BYTES} characters, this is {len(text)}")
    try:
        world = msgspec.convert(_with_shapes(tomllib.loads(text)), World, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise MisuseError(f"not a world: {error}") from error
    _check_hosts(world)
    _check_names(world)
    return world


_SHAPE_FIELDS: Final = frozenset(field.name for field in msgspec.structs.fields(Shape))


def _with_shapes(raw: dict[str, object]) -> dict[str, object]:
    """Gather each link's shape, which a file writes flat, into one field; leave anything odd as it is."""

    def gathered(entry: object) -> object:
        if not isinstance(entry, dict) or "shape" in entry:
            return entry
        shape = {key: value for key, value in entry.items() if key in _SHAPE_FIELDS}
        rest = {key: value for key, value in entry.items() if key not in _SHAPE_FIELDS}
        return rest | {"shape": shape}

    both_ways: list[object] = []
    links = raw.get("link", [])
    for entry in links if isinstance(links, list) else []:
        both_ways += map(gathered, _spread(entry))
    events = raw.get("event", [])
    return raw | {
        "link": both_ways if isinstance(links, list) else links,
        "event": [gathered(e) if _sets_link(e) else e for e in events]
        if isinstance(events, list)
        else events,
    }


def _sets_link(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("action") == "set_link"


def _spread(entry: object) -> Iterable[object]:
    """Yield a link, and its reverse if it says `both = true`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("both", False), bool):
        yield entry
        return
    one = {key: value for key, value in entry.items() if key != "both"}
    yield one
    if entry.get("both", False):
        yield one | {"from": entry.get("to"), "to": entry.get("from")}


def _check_hosts(world: World) -> None:
    for role in ("student", "campus", "classroom"):
        count = sum(host.role == role for host in world.hosts)
        if count != 1:
            raise MisuseError(f"host: a world has one {role}, this has {count}")
    named = [host.name for host in world.hosts]
    if len(set(named)) != len(named) or IN_USE in named:
        raise MisuseError(f"host: names must differ, and none is {IN_USE!r}: {', '.join(named)}")
    _check_addresses(
        [host.addresses for host in world.hosts]
        + [e.addresses for e in world.events if isinstance(e, Readdress)]
    )


def _check_addresses(each: list[list[str]]) -> None:
    try:
        parsed = [[ipaddress.ip_address(address) for address in addresses] for addresses in each]
    except ValueError as error:
        raise MisuseError(f"addresses: {error}") from error
    every = [address for addresses in parsed for address in addresses]
    if len(set(every)) != len(every):
        raise MisuseError("addresses: every address is used once")
    if any(addresses[0].version != 4 for addresses in parsed):
        raise MisuseError("addresses: the first of a host is an IPv4 one")


def _check_names(world: World) -> None:
    known = {host.name for host in world.hosts}
    pairs = [(link.source, link.target) for link in world.links]
    if len(set(pairs)) != len(pairs):
        raise MisuseError("link: an ordered pair of hosts has one link")
    for entry in (*world.links, *world.events):
        if isinstance(entry, Link | SetLink):
            _check_link(entry, known)
        elif not (entry.host in known or (isinstance(entry, Kill) and entry.host == IN_USE)):
            raise MisuseError(f"event at {entry.at_s} s: there is no host {entry.host!r}")
    times = [event.at_s for event in world.events]
    if times != sorted(times):
        raise MisuseError("event: events are in order of at_s")


def _check_link(link: Link | SetLink, known: set[str]) -> None:
    where = f"link from {link.source} to {link.target}"
    if not {link.source, link.target} <= known or link.source == link.target:
        raise MisuseError(f"{where}: both ends are hosts, and two of them")
    shape = link.shape
    # What the link engine refuses is refused here, where the file can be named.
    wrong = (
        (shape.outage_least_s > shape.outage_most_s, "outage_least_s is at most outage_most_s"),
        (0 < shape.outage_every_s < 0.001, "outage_every_s is 0 or at least a millisecond"),
        (shape.loss_enter > 0 and shape.loss_leave == 0, "loss_leave is above 0 where bursts begin"),
        (
            0 < shape.rate_bps < 10 or 0 < shape.police_bps < 10,
            "rate_bps and police_bps are 0 or at least 10",
        ),
        (
            shape.police_bps > 0 and shape.police_burst_bytes == 0,
            "police_burst_bytes is above 0 where a policer is",
        ),
    )
    for is_wrong, rule in wrong:
        if is_wrong:
            raise MisuseError(f"{where}: {rule}")


def shipped() -> list[str]:
    """Return the names of the worlds that come with the package, in order."""
    folder = resources.files("carnet.lab") / "worlds"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def load(name: str) -> World:
    """Return a shipped world by its name.

    Raises:
        MisuseError: there is none of that name; the message lists what there is.
    """
    if name not in shipped():
        raise MisuseError(f"no world {name!r}; there are: {', '.join(shipped())}")
    return parse((resources.files("carnet.lab") / "worlds" / f"{name}.toml").read_text("utf-8"))
