"""Ed25519 signatures with domain separation.  Pure: bytes in, bytes out.

Every signature is over a domain line and the body, so that a signature made for one
kind of document never verifies for another.  Ed25519 is RFC 8032, by `cryptography`.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carnet.errors import BadSignatureError, MisuseError

SIGNATURE_BYTES = 64
KEY_BYTES = 32


def _message(domain: str, body: bytes) -> bytes:
    if not domain or "\n" in domain:
        raise MisuseError(f"a signature domain is one line of text, got {domain!r}")
    return domain.encode() + b"\n" + body + b"\n"


def sign(domain: str, body: bytes, signing_key: bytes) -> bytes:
    """Return the 64-octet signature of `body` under `domain` by a 32-octet private key."""
    return Ed25519PrivateKey.from_private_bytes(signing_key).sign(_message(domain, body))


def verify(domain: str, body: bytes, signature: bytes, verifying_key: bytes) -> None:
    """Return quietly only if `signature` is by the holder of `verifying_key` (32 octets).

    Raises:
        BadSignatureError: wrong signature, wrong length, or a key that is no curve point.
    """
    try:
        Ed25519PublicKey.from_public_bytes(verifying_key).verify(signature, _message(domain, body))
    except (InvalidSignature, ValueError) as error:
        raise BadSignatureError(
            "the signature does not fit: the document was changed, or is by someone else"
        ) from error
