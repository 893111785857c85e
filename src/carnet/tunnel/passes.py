"""The pass: the document under which one student travels.  Pure: values and `now` in.

A pass file is three parts: the pass signed by the campus, the directory it was issued
with, and the student's WireGuard private key.  The private key is in no signed part, so
that a pass without it (the key made on the student's device) has the same form.
"""

from dataclasses import dataclass, field

import msgspec

from carnet.errors import MalformedDocumentError, MisuseError, OtherCampusError
from carnet.seal import wire
from carnet.seal.keys import KEY_BYTES, key_from_text, key_text, wireguard_public
from carnet.tunnel import addresses, directory
from carnet.tunnel.directory import DAY_S, Directory, check_dates

DOMAIN = "carnet/pass/v1"
KEY_DOMAIN = "carnet/key/v1"
LIFETIME_S = 180 * DAY_S
"""A term and a little; a lost laptop that nobody reported stops by itself."""
LIFETIME_MOST_S = 366 * DAY_S
_LINES = 8


class Pass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the campus signs for one student."""

    campus: str
    signing_key: bytes
    student: str
    public_key: bytes
    number: int
    """Which address of the tunnel network, from 2."""
    issued: int
    expires: int

    def __post_init__(self) -> None:
        addresses.name(self.campus)
        addresses.student_name(self.student)
        if len(self.signing_key) != KEY_BYTES or len(self.public_key) != KEY_BYTES:
            raise MisuseError("keys are 32 octets")
        if not 2 <= self.number < 2**24 or not 0 <= self.issued < self.expires < 2**40:
            raise MisuseError("a pass has an address number from 2 and expires after it was issued")


@dataclass(frozen=True, slots=True)
class Holding:
    """A pass file, checked: everything a student's machine needs."""

    signed: Pass
    directory: Directory
    directory_document: bytes
    private_key: bytes = field(repr=False)

    def address(self, current: Directory) -> str:
        """Return the student's IPv4 address in the tunnel network."""
        return current.address(self.signed.number)

    def address6(self) -> str:
        """Return the student's IPv6 address inside the tunnel."""
        return self.directory.address6(self.signed.number)


def write(signed: Pass, signing_key: bytes, directory_document: bytes, private_key: bytes) -> bytes:
    """Return the pass file.  It holds the private key: write it for its owner alone."""
    part = wire.write(DOMAIN, signed, signing_key)
    return b"%s%s%s\n%s\n" % (part, directory_document, KEY_DOMAIN.encode(), key_text(private_key).encode())


def read(file: bytes, now: float) -> Holding:
    """Return what a pass file holds once everything in it is right.

    Args:
        file: What `write` made.
        now: Wall clock, seconds since 1970.

    Raises:
        MalformedDocumentError: cut short, padded, or not of this form.
        BadSignatureError: edited.
        ExpiredError, ClockError: out of its dates.
        OtherCampusError: pass, directory and key do not belong together.
    """
    if len(file) > 2 * wire.DOCUMENT_BYTES_MOST:
        raise MalformedDocumentError(f"{len(file)} bytes: no pass is that large")
    lines = file.split(b"\n")
    if len(lines) != _LINES + 1 or lines[_LINES] != b"":
        raise MalformedDocumentError("a pass is eight whole lines; this one is cut short or padded")
    private_key = _private_key(lines[6], lines[7])
    unverified = wire.read(DOMAIN, b"\n".join([*lines[:3], b""]), Pass)
    signed = unverified.verify(unverified.claimed.signing_key)
    check_dates(f"the pass of {signed.student}", signed.issued, signed.expires, now)
    document = b"\n".join([*lines[3:6], b""])
    current = directory.read(document, now, signing_key=signed.signing_key)
    if current.campus != signed.campus or wireguard_public(private_key) != signed.public_key:
        raise OtherCampusError("the parts of this pass do not belong together: ask the campus for a new one")
    if signed.number >= addresses.tunnel_network(current.network).num_addresses - 1:
        raise MalformedDocumentError("the address of this pass is outside the tunnel network")
    return Holding(signed, current, document, private_key)


def _private_key(kind: bytes, line: bytes) -> bytes:
    if kind != KEY_DOMAIN.encode():
        raise MalformedDocumentError(f"the seventh line is not {KEY_DOMAIN}")
    try:
        return key_from_text(line.decode("ascii"))
    except UnicodeDecodeError as error:
        raise MalformedDocumentError("the key line is not base64") from error
