"""Signed documents: what is written reads back, and nothing else reads."""

from base64 import b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.errors import BadSignatureError, MalformedDocumentError, MisuseError, PeerError
from carnet.seal import keys, wire
from carnet.seal.signatures import sign

KEY = bytes(range(32))
PUBLIC = keys.verifying_key(KEY)
DOMAIN = "carnet/test/v1"


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    number: int
    blob: bytes
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.number < 0:
            raise MisuseError("negative")


notes = st.builds(
    Note, st.text(), st.integers(0, 2**53), st.binary(), st.lists(st.text(), max_size=3).map(tuple)
)


@given(notes)
def test_what_is_written_reads_back(note: Note) -> None:
    assert wire.read(DOMAIN, wire.write(DOMAIN, note, KEY), Note).verify(PUBLIC) == note


@given(notes, st.data())
def test_no_flipped_bit_goes_unnoticed(note: Note, data: st.DataObject) -> None:
    document = bytearray(wire.write(DOMAIN, note, KEY))
    at = data.draw(st.integers(0, len(document) * 8 - 1))
    document[at // 8] ^= 1 << at % 8
    with pytest.raises(PeerError):
        wire.read(DOMAIN, bytes(document), Note).verify(PUBLIC)


@given(notes, st.data())
def test_no_cut_goes_unnoticed(note: Note, data: st.DataObject) -> None:
    document = wire.write(DOMAIN, note, KEY)
    end = data.draw(st.integers(0, len(document) - 1))
    with pytest.raises(MalformedDocumentError):
        wire.read(DOMAIN, document[:end], Note)


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_peer_error(document: bytes) -> None:
    with pytest.raises(PeerError):
        wire.read(DOMAIN, document, Note)


@given(st.binary(max_size=200))
def test_any_body_ends_in_a_peer_error(body: bytes) -> None:
    document = b"%s\n%s\n%s\n" % (DOMAIN.encode(), body, b"A" * 86 + b"==")
    with pytest.raises(PeerError):
        wire.read(DOMAIN, document, Note).verify(PUBLIC)


def signed(body: bytes) -> bytes:
    """A document whose signature is right whatever its body: only the form can be at fault."""
    return b"%s\n%s\n%s\n" % (DOMAIN.encode(), body, b64encode(sign(DOMAIN, body, KEY)))


GOOD = b'{"text":"a","number":1,"blob":"AA==","words":[]}'


def test_the_control_for_bad_forms_reads() -> None:
    assert wire.read(DOMAIN, signed(GOOD), Note).verify(PUBLIC) == Note("a", 1, b"\0", ())


@pytest.mark.parametrize(
    "body",
    [
        b'{"text":"a", "number":1,"blob":"AA==","words":[]}',
        b'{"number":1,"text":"a","blob":"AA==","words":[]}',
        b'{"text":"a","number":1,"blob":"AA==","words":[],"more":1}',
        b'{"text":"b","text":"a","number":1,"blob":"AA==","words":[]}',
        b'{"text":"\\u0061","number":1,"blob":"AA==","words":[]}',
        b'{"text":"a","number":1.0,"blob":"AA==","words":[]}',
        b'{"text":"a","number":1,"blob":"AA==","words":null}',
        b'{"text":"a","number":1,"blob":"AA=="}',
        b'{"text":"a","number":1,"blob":"AB==","words":[]}',
        b'{"text":"a","number":-1,"blob":"AA==","words":[]}',
        b"[" * 100_000,
    ],
    ids=[
        "space",
        "order",
        "unknown field",
        "duplicate field",
        "escape",
        "float",
        "null",
        "default left out",
        "loose base64",
        "out of bounds",
        "nested",
    ],
)
def test_one_value_has_one_form(body: bytes) -> None:
    with pytest.raises(MalformedDocumentError):
        wire.read(DOMAIN, signed(body), Note)


def test_a_signature_of_another_domain_does_not_fit() -> None:
    document = wire.write("carnet/other/v1", Note("a", 1, b"", ()), KEY)
    moved = document.replace(b"carnet/other/v1", DOMAIN.encode(), 1)
    unverified = wire.read(DOMAIN, moved, Note)
    with pytest.raises(BadSignatureError):
        unverified.verify(PUBLIC)


def test_another_key_does_not_verify() -> None:
    unverified = wire.read(DOMAIN, wire.write(DOMAIN, Note("a", 1, b"", ()), KEY), Note)
    with pytest.raises(BadSignatureError):
        unverified.verify(keys.verifying_key(bytes(32)))


def test_an_oversized_document_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedDocumentError, match="more than"):
        wire.read(DOMAIN, b"x" * (wire.DOCUMENT_BYTES_MOST + 1), Note)
