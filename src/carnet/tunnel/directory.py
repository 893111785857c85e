"""The directory: what a campus says about itself, signed.  Pure: values and `now` in.

Everything a student's machine routes, trusts or contacts comes from here, so a value out
of bounds is refused at birth, on the campus and on the student's machine alike.
Refuses directories expired, rolled back, of another campus, or not signed by its key.
"""

import re

import msgspec

from carnet.errors import ClockError, ExpiredError, MisuseError, OtherCampusError, RolledBackError
from carnet.seal import wire
from carnet.seal.keys import KEY_BYTES
from carnet.seal.signatures import KEY_BYTES as SIGNING_KEY_BYTES
from carnet.tunnel import addresses
from carnet.tunnel.service import NameList, Service

DOMAIN = "carnet/directory/v1"

_COUNTRY = re.compile(r"^[A-Z]{2}\Z")

DAY_S = 86_400
LIFETIME_S = 400 * DAY_S
"""Longer than any pass: a pass carries the directory it was issued with."""
CLOCK_SLACK_S = DAY_S
"""A clock this far behind is forgiven; laptops wake up with worse time zones than this."""
RELAYS_MOST = 200


class RelayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One relay: where it listens, who runs it, in which country (two letters)."""

    name: str
    endpoint: str
    owner: str
    country: str

    def __post_init__(self) -> None:
        addresses.name(self.name)
        addresses.endpoint(self.endpoint)
        if len(self.owner) > 100 or not self.owner.isprintable():
            raise MisuseError("the owner of a relay is at most 100 printable characters")
        if self.country and not _COUNTRY.match(self.country):
            raise MisuseError(f"{self.country!r} is no country: write two capital letters, like JP")


class Directory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the campus signs.  Times are seconds since 1970; keys are 32 octets."""

    campus: str
    version: int
    issued: int
    expires: int
    signing_key: bytes
    gateway_key: bytes
    endpoint: str
    network: str
    relays: tuple[RelayEntry, ...]
    services: tuple[Service, ...]
    allow: tuple[str, ...]

    def __post_init__(self) -> None:
        addresses.name(self.campus)
        addresses.endpoint(self.endpoint)
        addresses.tunnel_network(addresses.canonical_network(self.network))
        for text in self.allow:
            addresses.canonical_network(text)
        if not 0 < self.version < 2**53 or not 0 <= self.issued < self.expires < 2**40:
            raise MisuseError("a directory has a version from 1 and expires after it was issued")
        if len(self.signing_key) != SIGNING_KEY_BYTES or len(self.gateway_key) != KEY_BYTES:
            raise MisuseError("keys are 32 octets")
        _distinct("relays", [relay.name for relay in self.relays], RELAYS_MOST)
        _distinct("services", [service.name for service in self.services], 50)

    @property
    def gateway_address(self) -> str:
        """Return the campus' own address in the tunnel network."""
        return self.address(1)

    @property
    def gateway_address6(self) -> str:
        """Return the campus' own IPv6 address inside the tunnel."""
        return self.address6(1)

    def address(self, number: int) -> str:
        """Return the IPv4 address of student `number` in the tunnel network."""
        return str(addresses.host_in(addresses.tunnel_network(self.network), number))

    def address6(self, number: int) -> str:
        """Return the IPv6 address of student `number` inside the tunnel."""
        return str(addresses.host_in(addresses.campus_network6(self.signing_key), number))

    def names(self) -> NameList:
        """Return the names that are resolved through the tunnel."""
        return NameList(self.services)

    def networks(self) -> tuple[str, ...]:
        """Return every network that is routed into the tunnel, besides resolved addresses."""
        ranges = [text for service in self.services for text in service.ranges]
        own = [
            addresses.single(addresses.address(self.gateway_address)),
            addresses.single(addresses.address(self.gateway_address6)),
        ]
        return tuple(dict.fromkeys([*own, *self.allow, *ranges]))

    def relay(self, name: str) -> RelayEntry | None:
        """Return the relay of that name, if there is one."""
        return next((relay for relay in self.relays if relay.name == name), None)


def _distinct(what: str, names: list[str], most: int) -> None:
    if len(names) > most:
        raise MisuseError(f"{len(names)} {what}; at most {most}")
    if len(set(names)) != len(names):
        raise MisuseError(f"two {what} of one name")


def write(directory: Directory, signing_key: bytes) -> bytes:
    """Return the signed document."""
    return wire.write(DOMAIN, directory, signing_key)


def read(
    document: bytes, now: float, *, signing_key: bytes | None = None, seen_version: int = 0
) -> Directory:
    """Return the directory in a document once everything about it is right.

    Args:
        document: What `write` made.
        now: Wall clock, seconds since 1970.
        signing_key: The campus' key, 32 octets.  None trusts the key the document names:
            right only for whoever got the document from the campus itself.
        seen_version: Highest version seen so far of this campus.

    Raises:
        MalformedDocumentError, BadSignatureError, OtherCampusError, ExpiredError,
        RolledBackError: as named.
        ClockError: `now` is before the directory was issued.
    """
    unverified = wire.read(DOMAIN, document, Directory)
    claimed = unverified.claimed
    if signing_key is not None and claimed.signing_key != signing_key:
        raise OtherCampusError(f"this directory is of another campus ({claimed.campus}), or of its new key")
    directory = unverified.verify(claimed.signing_key)
    check_dates(f"the directory of {directory.campus}", directory.issued, directory.expires, now)
    if directory.version < seen_version:
        raise RolledBackError(
            f"the directory of {directory.campus} is version {directory.version}, "
            f"and version {seen_version} was seen before: refused"
        )
    return directory


def check_dates(what: str, issued: int, expires: int, now: float) -> None:
    """Refuse what has expired, or was issued after `now`.

    Raises:
        ExpiredError: `now` is past `expires`.
        ClockError: `now` is more than `CLOCK_SLACK_S` before `issued`.
    """
    if now >= expires:
        raise ExpiredError(
            f"{what} expired {(now - expires) / DAY_S:.0f} days ago: ask the campus for a new one"
        )
    if now < issued - CLOCK_SLACK_S:
        raise ClockError(f"{what} was issued after this machine's date: set the clock and try again")
