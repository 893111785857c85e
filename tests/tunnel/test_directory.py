"""The directory: read by whoever has the campus' key, and refused for every reason it may be wrong."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from carnet.errors import (
    BadSignatureError,
    ClockError,
    ExpiredError,
    MalformedDocumentError,
    MisuseError,
    OtherCampusError,
    PeerError,
    RolledBackError,
)
from carnet.seal import keys
from carnet.seal.signatures import sign
from carnet.tunnel import directory
from carnet.tunnel.directory import DAY_S, RelayEntry
from tests.tunnel.samples import DIRECTORY, NOW, OTHER_KEY, SIGNING_KEY, directory_document

PUBLIC = DIRECTORY.signing_key


def test_what_is_written_reads_back() -> None:
    assert directory.read(directory_document(), NOW, signing_key=PUBLIC, seen_version=7) == DIRECTORY


def test_an_expired_one_is_refused_from_its_last_second() -> None:
    document = directory_document(expires=NOW)
    assert directory.read(document, NOW - 1).expires == NOW
    with pytest.raises(ExpiredError):
        directory.read(document, NOW)


def test_a_clock_before_the_day_of_issue_is_told_apart_from_expiry() -> None:
    document = directory_document(issued=NOW)
    assert directory.read(document, NOW - DAY_S).issued == NOW
    with pytest.raises(ClockError):
        directory.read(document, NOW - DAY_S - 1)


def test_a_rollback_is_refused_and_the_same_version_is_not() -> None:
    assert directory.read(directory_document(), NOW, seen_version=7).version == 7
    with pytest.raises(RolledBackError):
        directory.read(directory_document(), NOW, seen_version=8)


def test_another_campus_is_refused_even_with_the_same_name() -> None:
    document = directory_document(OTHER_KEY)
    assert directory.read(document, NOW, signing_key=keys.verifying_key(OTHER_KEY)).campus == "alpine"
    with pytest.raises(OtherCampusError):
        directory.read(document, NOW, signing_key=PUBLIC)


def test_a_directory_signed_by_somebody_else_is_refused() -> None:
    forged = directory.write(DIRECTORY, OTHER_KEY)
    with pytest.raises(BadSignatureError):
        directory.read(forged, NOW, signing_key=PUBLIC)


@given(st.data())
def test_no_flipped_bit_goes_unnoticed(data: st.DataObject) -> None:
    document = bytearray(directory_document())
    at = data.draw(st.integers(0, len(document) * 8 - 1))
    document[at // 8] ^= 1 << at % 8
    with pytest.raises(PeerError):
        directory.read(bytes(document), NOW, signing_key=PUBLIC)


@pytest.mark.parametrize(
    "changes",
    [
        {"campus": "Alpine"},
        {"version": 0},
        {"expires": NOW - 2 * DAY_S},
        {"gateway_key": b"short"},
        {"endpoint": "vpn.example.edu"},
        {"network": "8.8.0.0/16"},
        {"network": "10.78.0.0/255.255.0.0"},
        {"allow": ("0.0.0.0/0",)},
        {"allow": ("::/1",)},
        {"relays": (DIRECTORY.relays[0], DIRECTORY.relays[0])},
        {"services": (DIRECTORY.services[0], DIRECTORY.services[0])},
        {"relays": tuple(RelayEntry(f"r{n}", "192.0.2.1:1", "", "") for n in range(201))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_nonsense_is_refused_at_birth(changes: dict[str, object]) -> None:
    with pytest.raises(MisuseError):
        replace(DIRECTORY, **changes)


def test_a_signed_directory_that_routes_everything_is_refused_by_the_student_too() -> None:
    good = directory_document()
    body = good.split(b"\n")[1].replace(b'"203.0.113.0/24"', b'"0.0.0.0/0"')
    signature = b64encode(sign(directory.DOMAIN, body, SIGNING_KEY))
    document = b"%s\n%s\n%s\n" % (directory.DOMAIN.encode(), body, signature)
    with pytest.raises(MalformedDocumentError, match="class services"):
        directory.read(document, NOW, signing_key=PUBLIC)


@pytest.mark.parametrize("entry", [("x", "192.0.2.1:1", "", "jp"), ("x", "192.0.2.1:1", "a\nb", "")])
def test_no_relay(entry: tuple[str, str, str, str]) -> None:
    with pytest.raises(MisuseError):
        RelayEntry(*entry)


def test_what_is_routed_is_the_gateway_the_allowed_and_the_ranges() -> None:
    networks = DIRECTORY.networks()
    assert networks[0] == "10.78.0.1/32"
    assert set(networks) >= {"203.0.113.0/24", *DIRECTORY.services[0].ranges}
    assert len(networks) == len(set(networks)) == 3 + len(DIRECTORY.services[0].ranges)
