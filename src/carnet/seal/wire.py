"""Signed documents <-> bytes: three lines of text, one form for one value.

Line 1 is the kind and version (`carnet/directory/v1`), line 2 the body as JSON, line 3
the Ed25519 signature of lines 1 and 2 in base64.  JSON because an auditor reads it with
`less`; canonical without a standard of its own, because the reader encodes what it
decoded and refuses any difference: order, spaces, duplicates, escapes, defaults.
"""

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from carnet.errors import MalformedDocumentError, MisuseError
from carnet.seal.signatures import SIGNATURE_BYTES, sign, verify

Body = TypeVar("Body", bound=msgspec.Struct)

DOCUMENT_BYTES_MOST = 256 * 1024
"""A campus with all services and 200 relays needs 40 KiB; anything larger is an attack."""


@dataclass(frozen=True, slots=True)
class Unverified(Generic[Body]):
    """A well-formed document that nobody has vouched for yet."""

    domain: str
    raw: bytes
    claimed: Body
    """What it says.  Use it only to find the key to verify with."""
    signature: bytes

    def verify(self, verifying_key: bytes) -> Body:
        """Return the body once its signature by `verifying_key` is checked.

        Raises:
            BadSignatureError: it is not signed by that key.
        """
        verify(self.domain, self.raw, self.signature, verifying_key)
        return self.claimed


def write(domain: str, body: msgspec.Struct, signing_key: bytes) -> bytes:
    """Return the signed document of `body`: three lines, the last one ended too."""
    raw = msgspec.json.encode(body)
    signature = b64encode(sign(domain, raw, signing_key))
    return b"%s\n%s\n%s\n" % (domain.encode(), raw, signature)


def read(domain: str, document: bytes, shape: type[Body]) -> Unverified[Body]:
    """Take a document apart without trusting it.

    Raises:
        MalformedDocumentError: not three lines, another kind, too large, not canonical,
            or values out of their bounds.
    """
    if len(document) > DOCUMENT_BYTES_MOST:
        raise MalformedDocumentError(f"{len(document)} bytes, more than {DOCUMENT_BYTES_MOST}")
    lines = document.split(b"\n")
    if len(lines) != 4 or lines[3] != b"":
        raise MalformedDocumentError(f"a {domain} is three whole lines; this one is cut short or padded")
    if lines[0] != domain.encode():
        raise MalformedDocumentError(f"the first line is not {domain}")
    return Unverified(domain, lines[1], _body(lines[1], shape), _signature(lines[2]))


def _body(raw: bytes, shape: type[Body]) -> Body:
    try:
        body = msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, MisuseError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocumentError(f"the body cannot be read: {error}") from error
    if msgspec.json.encode(body) != raw:
        raise MalformedDocumentError("the body is not in its canonical form")
    return body


def _signature(line: bytes) -> bytes:
    try:
        signature = b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedDocumentError("the signature line is not base64") from error
    if len(signature) != SIGNATURE_BYTES or b64encode(signature) != line:
        raise MalformedDocumentError("the signature line is not one Ed25519 signature")
    return signature
