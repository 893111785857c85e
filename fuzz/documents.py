"""Mutated documents at the Python parsers: `python -m fuzz.documents TARGET SECONDS [SEED]`.

Each target starts from valid input and damages it; half of the damaged bodies are signed anew by the
right key, so that what lies behind the signature is reached.  Only the documented errors may escape, and
nothing that was damaged and not signed may be accepted.
"""

import base64
import random
import sys
import time
from collections.abc import Callable
from importlib import resources

from carnet.errors import MisuseError, PeerError, WorldError
from carnet.lab import world
from carnet.node import announce
from carnet.seal.keys import new_signing_key, new_wireguard_key, verifying_key, wireguard_public
from carnet.seal.signatures import sign
from carnet.tunnel import directory, passes

NOW = 1_800_000_000
SIGNING = new_signing_key()
PRIVATE = new_wireguard_key()
TOKENS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"\n",
    b"\\u0000",
    b"null",
    b"1e999",
    b"-1",
    b"0",
    b"\xff",
    b"::/0",
    b"true",
]


def _directory() -> bytes:
    entry = directory.Directory(
        campus="alpine",
        version=7,
        issued=NOW - 10,
        expires=NOW + 86_400,
        signing_key=verifying_key(SIGNING),
        gateway_key=wireguard_public(PRIVATE),
        endpoint="vpn.example.edu:51820",
        network="10.78.0.0/16",
        relays=(directory.RelayEntry("tokyo", "relay.example.net:51820", "Example", "JP"),),
        services=(),
        allow=("192.0.2.0/24",),
    )
    return directory.write(entry, SIGNING)


def _pass() -> bytes:
    key = new_wireguard_key()
    signed = passes.Pass(
        campus="alpine",
        signing_key=verifying_key(SIGNING),
        student="li.wei",
        public_key=wireguard_public(key),
        number=2,
        issued=NOW - 10,
        expires=NOW + 86_400,
    )
    return passes.write(signed, SIGNING, _directory(), key)


def damage(octets: bytes, dice: random.Random) -> bytes:
    """Return something near `octets`: bits, runs, tokens and pieces of itself changed."""
    data = bytearray(octets)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            data[at:at] = dice.choice(TOKENS)
        elif kind == 2:
            del data[at : at + dice.choice((1, 1, 4, 64))]
        elif kind == 3:
            other = dice.randrange(len(data) + 1)
            data[at:at] = data[other : other + dice.choice((1, 8, 200))]
        elif kind == 4:
            data[at : at + 1] = bytes([dice.randrange(256)])
        else:
            del data[dice.randrange(len(data) + 1) :]
    return bytes(data)


def _resigned(document: bytes, domain: str) -> bytes:
    """Sign the second line anew, as a campus that means harm would."""
    lines = document.split(b"\n")
    if len(lines) > 2:
        lines[2] = base64.b64encode(sign(domain, lines[1], SIGNING))
    return b"\n".join(lines)


def try_directory(dice: random.Random) -> None:
    """A damaged directory is refused; a directory signed anew is refused or sound."""
    whole = VALID["directory"]
    damaged = damage(whole, dice)
    signed_anew = dice.random() < 0.5
    if signed_anew:
        damaged = _resigned(damaged, directory.DOMAIN)
    try:
        got = directory.read(damaged, NOW, signing_key=verifying_key(SIGNING))
    except (PeerError, WorldError):
        return
    if not signed_anew and damaged != whole:
        raise AssertionError("accepted what nobody signed")
    got.networks()
    got.names()


def try_pass(dice: random.Random) -> None:
    """A damaged pass is refused."""
    whole = VALID["pass"]
    damaged = damage(whole, dice)
    signed_anew = dice.random() < 0.5
    if signed_anew:
        damaged = _resigned(damaged, passes.DOMAIN)
    try:
        passes.read(damaged, NOW)
    except (PeerError, WorldError):
        return
    if not signed_anew and damaged != whole:
        raise AssertionError("accepted what nobody signed")


def try_announcement(dice: random.Random) -> None:
    """Whatever a campus answers, and whatever it is asked."""
    answer = damage(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", dice)
    for parse in (announce.read_response, announce.read_request):
        try:
            parse(
                answer
                if parse is announce.read_response
                else damage(b"GET /directory?after=7 HTTP/1.0\r\n", dice)
            )
        except PeerError:
            continue


def try_world(dice: random.Random) -> None:
    """A damaged world is refused by name, or is a world."""
    try:
        world.parse(damage(dice.choice(WORLDS), dice).decode("utf-8", "replace"))
    except MisuseError:
        return


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "directory": try_directory,
    "pass": try_pass,
    "announcement": try_announcement,
    "world": try_world,
}
VALID = {"directory": _directory(), "pass": _pass()}
WORLDS = [
    file.read_bytes()
    for file in resources.files("carnet.lab").joinpath("worlds").iterdir()
    if file.name.endswith(".toml")
]


def main(target: str, seconds: float, seed: int) -> None:
    """Try until the time is over; print how often."""
    dice = random.Random(seed)
    attempt = TARGETS[target]
    tries, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            for _ in range(200):
                attempt(dice)
        except Exception as error:
            raise SystemExit(f"{target}, seed {seed}, within 200 of try {tries}: {error!r}") from error
        tries += 200
    print(f"{target}: {tries} tries, seed {seed}, nothing but the documented errors")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
