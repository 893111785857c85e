"""The pass: whole and right, or refused with the reason."""

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
)
from carnet.seal import keys
from carnet.tunnel import passes
from carnet.tunnel.directory import DAY_S
from tests.tunnel.samples import (
    DIRECTORY,
    NOW,
    OTHER_KEY,
    PASS,
    STUDENT_KEY,
    directory_document,
    pass_file,
)


def test_what_is_written_reads_back() -> None:
    holding = passes.read(pass_file(), NOW)
    assert (holding.signed, holding.directory, holding.private_key) == (PASS, DIRECTORY, STUDENT_KEY)
    assert holding.address(DIRECTORY) == "10.78.0.2"
    assert holding.address6().endswith("::2")


def test_the_key_never_shows_in_a_log() -> None:
    holding = passes.read(pass_file(), NOW)
    for text in (repr(holding), str(holding)):
        assert keys.key_text(STUDENT_KEY) not in text
        assert repr(STUDENT_KEY) not in text
    assert repr(PASS.public_key) in repr(holding)


@given(st.data())
def test_no_cut_goes_unnoticed(data: st.DataObject) -> None:
    file = pass_file()
    with pytest.raises(MalformedDocumentError):
        passes.read(file[: data.draw(st.integers(0, len(file) - 1))], NOW)


@given(st.data())
def test_no_flipped_bit_goes_unnoticed(data: st.DataObject) -> None:
    file = bytearray(pass_file())
    at = data.draw(st.integers(0, len(file) * 8 - 1))
    file[at // 8] ^= 1 << at % 8
    with pytest.raises(PeerError):
        passes.read(bytes(file), NOW)


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_peer_error(file: bytes) -> None:
    with pytest.raises(PeerError):
        passes.read(file, NOW)


def test_an_edited_expiry_breaks_the_signature() -> None:
    later = str(PASS.expires + DAY_S).encode()
    edited = pass_file().replace(str(PASS.expires).encode(), later, 1)
    with pytest.raises(BadSignatureError):
        passes.read(edited, NOW)


def test_expired() -> None:
    with pytest.raises(ExpiredError, match=r"li\.wei"):
        passes.read(pass_file(expires=NOW), NOW)


def test_a_clock_set_back_by_years() -> None:
    with pytest.raises(ClockError):
        passes.read(pass_file(), NOW - 1000 * DAY_S)


def test_parts_of_two_campuses_do_not_go_together() -> None:
    mixed = pass_file(document=directory_document(OTHER_KEY))
    with pytest.raises(OtherCampusError):
        passes.read(mixed, NOW)
    assert passes.read(pass_file(signing_key=OTHER_KEY), NOW).signed.student == "li.wei"


def test_somebody_elses_key_does_not_go_with_the_pass() -> None:
    with pytest.raises(OtherCampusError):
        passes.read(pass_file(key=bytes([24, *range(30), 64])), NOW)


def test_an_address_outside_the_network() -> None:
    document = directory_document(network="10.78.0.0/29")
    assert passes.read(pass_file(document=document, number=6), NOW).signed.number == 6
    with pytest.raises(MalformedDocumentError):
        passes.read(pass_file(document=document, number=7), NOW)


@pytest.mark.parametrize("changes", [{"number": 1}, {"student": "a/b"}, {"public_key": b""}, {"expires": 0}])
def test_nonsense_is_refused_at_birth(changes: dict[str, object]) -> None:
    with pytest.raises(MisuseError):
        replace(PASS, **changes)
