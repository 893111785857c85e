"""Ed25519 with a domain line in front."""

import pytest

from carnet.errors import BadSignatureError, MisuseError
from carnet.seal import keys
from carnet.seal.signatures import sign, verify

KEY = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def test_the_public_half_is_that_of_rfc_8032() -> None:
    # RFC 8032 section 7.1, TEST 1.
    expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert keys.verifying_key(KEY).hex() == expected


def test_signature_is_over_domain_and_body() -> None:
    signature = sign("d", b"body", KEY)
    verify("d", b"body", signature, keys.verifying_key(KEY))
    for domain, body in (("e", b"body"), ("d", b"bodY"), ("d\x00", b"ody")):
        with pytest.raises(BadSignatureError):
            verify(domain, body, signature, keys.verifying_key(KEY))


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"\xff" * 64])
def test_no_signature_verifies_nothing(signature: bytes) -> None:
    with pytest.raises(BadSignatureError):
        verify("d", b"body", signature, keys.verifying_key(KEY))


@pytest.mark.parametrize("key", [b"", b"x" * 31])
def test_a_short_key_verifies_nothing(key: bytes) -> None:
    with pytest.raises(BadSignatureError):
        verify("d", b"body", sign("d", b"body", KEY), key)


def test_a_domain_is_one_line() -> None:
    with pytest.raises(MisuseError):
        sign("a\nb", b"", KEY)
