"""Canaries: random octets sent where a class's secrets are, and every form they might be seen in again."""

import binascii
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote_from_bytes

import dns.message

from tests.scenarios import classroom
from tests.scenarios.scene import Scene

COUNT: Final = 64
_BYTES: Final = 16
DOMAIN: Final = "zoom.us"
"""A class name of the service `zoom`: questions below it go through the tunnel."""

Target = tuple[str, int]


def new() -> list[bytes]:
    """Return `COUNT` canaries of 16 random octets."""
    return [secrets.token_bytes(_BYTES) for _ in range(COUNT)]


def forms(canary: bytes) -> Iterator[bytes]:
    """Yield how a canary may look: raw, as text in any of the usual encodings, and each of them reversed."""
    digits = binascii.hexlify(canary).decode()
    colons = ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    percent = "".join(f"%{byte:02X}" for byte in canary)
    texts = [
        digits,
        digits.upper(),
        colons,
        colons.upper(),
        percent,
        percent.lower(),
        quote_from_bytes(canary),
    ]
    looks = [canary, *(text.encode() for text in texts)]
    looks += [text.encode(form) for text in texts[:2] for form in ("utf-16-le", "utf-16-be")]
    looks += [canary.decode("latin-1").encode("utf-16-le"), *_base64(canary)]
    for look in looks:
        yield look
        yield look[::-1]


def _base64(canary: bytes) -> Iterator[bytes]:
    """Yield what stays the same of a canary's base64 wherever in a longer text it stands."""
    for offset in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            coded = encode(b"\0" * offset + canary)
            # The first and last group mix with neighbours: only whole groups of the canary are certain.
            yield coded[4 if offset else 0 : len(coded) // 4 * 4 - 4]


def seen(canaries: Iterable[bytes], packets: Iterable[bytes]) -> set[bytes]:
    """Return the canaries that are in these packets in any form."""
    # Two octets that are in no form keep a match from running over the edge of a packet.
    blob = b"\xff\x00".join(packets)
    return {canary for canary in canaries if any(form in blob for form in forms(canary))}


def say_names(scene: Scene, canaries: Iterable[bytes], resolver: Target) -> None:
    """Ask for a name with each canary in it, and check that the classroom's resolver answered."""
    with scene.udp("student") as one:
        for canary in canaries:
            query = dns.message.make_query(f"{canary.hex()}.{DOMAIN}", "A")
            one.sendto(query.to_wire(), resolver)
            answer = dns.message.from_wire(one.recv(4096))
            assert classroom.PUBLIC in answer.to_text(), answer.to_text()


def say_web(scene: Scene, canaries: Iterable[bytes], server: Target) -> None:
    """Send each canary in the address, a header and the body of a request, and check that all came back."""
    for canary in canaries:
        percent = "".join(f"%{byte:02x}" for byte in canary).encode()
        header = b"POST /" + percent + b" HTTP/1.0\r\nAuthorization: Basic " + b64encode(canary)
        with scene.tcp("student", server) as connection:
            connection.sendall(header + b"\r\nContent-Length: 16\r\n\r\n" + canary)
            received = bytearray()
            while chunk := connection.recv(65536):
                received += chunk
        assert received.endswith(canary)
        assert percent in received


def say_media(scene: Scene, canaries: Iterable[bytes], server: Target) -> None:
    """Send each canary in a datagram like one of a call, and check that it came back."""
    with scene.udp("student") as one:
        for canary in canaries:
            datagram = b"\x80\x60" + bytes(10) + canary + bytes(130)
            one.sendto(datagram, server)
            assert one.recv(4096) == datagram


def say_everything(
    scene: Scene, canaries: Iterable[bytes], resolver: Target, web: Target, media: Target
) -> None:
    """Send each canary in every way there is."""
    canaries = list(canaries)
    say_names(scene, canaries, resolver)
    say_web(scene, canaries, web)
    say_media(scene, canaries, media)
