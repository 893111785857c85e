"""Making and deriving keys.  The only file of this room that makes randomness (the library's own).

Raw 32-octet keys everywhere: Ed25519 for signing documents, X25519 for WireGuard.
Refuses to write anything: files are node's.
"""

from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from carnet.errors import MalformedDocumentError

KEY_BYTES = 32


def new_signing_key() -> bytes:
    """Return a fresh Ed25519 private key, 32 octets."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def verifying_key(signing_key: bytes) -> bytes:
    """Return the public half of an Ed25519 private key."""
    return Ed25519PrivateKey.from_private_bytes(signing_key).public_key().public_bytes_raw()


def new_wireguard_key() -> bytes:
    """Return a fresh X25519 private key, 32 octets, clamped as `wg genkey` does."""
    raw = bytearray(X25519PrivateKey.generate().private_bytes_raw())
    raw[0] &= 248
    raw[31] = (raw[31] & 127) | 64
    return bytes(raw)


def wireguard_public(private_key: bytes) -> bytes:
    """Return the public half of an X25519 private key."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def key_text(key: bytes) -> str:
    """Write a key as WireGuard does: 44 characters of base64."""
    return b64encode(key).decode()


def key_from_text(text: str) -> bytes:
    """Read 44 characters of base64, in their one canonical form.

    Raises:
        MalformedDocumentError: anything else.
    """
    try:
        key = b64decode(text.encode(), validate=True)
    except (ValueError, UnicodeEncodeError) as error:
        raise MalformedDocumentError("a key is 44 characters of base64") from error
    if len(key) != KEY_BYTES or key_text(key) != text:
        raise MalformedDocumentError("a key is 44 characters of base64")
    return key
