"""A campus and a pass to start from; the times are fixed."""

from msgspec.structs import replace

from carnet.seal import keys
from carnet.tunnel import catalogue, directory, passes
from carnet.tunnel.directory import DAY_S, Directory, RelayEntry
from carnet.tunnel.passes import Pass

SIGNING_KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
GATEWAY_KEY = bytes([8, *range(30), 64])
STUDENT_KEY = bytes([16, *range(30), 64])
NOW = 1_780_000_000

DIRECTORY = Directory(
    campus="alpine",
    version=7,
    issued=NOW - DAY_S,
    expires=NOW + 300 * DAY_S,
    signing_key=keys.verifying_key(SIGNING_KEY),
    gateway_key=keys.wireguard_public(GATEWAY_KEY),
    endpoint="vpn.example.edu:51820",
    network="10.78.0.0/16",
    relays=(
        RelayEntry("hong-kong", "198.18.2.2:51820", "City Cloud", "HK"),
        RelayEntry("tokyo", "[2001:db8::2]:443", "", "JP"),
    ),
    services=(catalogue.service("zoom"),),
    allow=("203.0.113.0/24",),
)
PASS = Pass(
    campus="alpine",
    signing_key=DIRECTORY.signing_key,
    student="li.wei",
    public_key=keys.wireguard_public(STUDENT_KEY),
    number=2,
    issued=NOW - DAY_S,
    expires=NOW + 100 * DAY_S,
)


def directory_document(signing_key: bytes = SIGNING_KEY, **changes: object) -> bytes:
    changed = replace(DIRECTORY, signing_key=keys.verifying_key(signing_key))
    return directory.write(replace(changed, **changes), signing_key)


def pass_file(
    *,
    signing_key: bytes = SIGNING_KEY,
    document: bytes | None = None,
    key: bytes = STUDENT_KEY,
    **changes: object,
) -> bytes:
    signed = replace(PASS, signing_key=keys.verifying_key(signing_key))
    return passes.write(
        replace(signed, **changes), signing_key, document or directory_document(signing_key), key
    )
