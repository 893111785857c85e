"""Keys as octets and as text."""

import subprocess
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.errors import MalformedDocumentError
from carnet.seal import keys


def test_the_public_half_is_that_of_rfc_7748() -> None:
    # RFC 7748 section 6.1, Alice.
    private = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    assert (
        keys.wireguard_public(private).hex()
        == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    )


def test_public_half_as_wg_says() -> None:
    private = keys.new_wireguard_key()
    said = subprocess.run(
        ["wg", "pubkey"], input=keys.key_text(private), capture_output=True, text=True, check=True
    )
    assert keys.key_text(keys.wireguard_public(private)) == said.stdout.strip()


def test_fresh_keys_differ() -> None:
    assert (
        len({keys.new_wireguard_key() for _ in range(8)} | {keys.new_signing_key() for _ in range(8)}) == 16
    )


@given(st.binary(min_size=32, max_size=32))
def test_text_and_back(key: bytes) -> None:
    assert keys.key_from_text(keys.key_text(key)) == key


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_a_peer_error(text: str) -> None:
    with suppress(MalformedDocumentError):
        assert keys.key_text(keys.key_from_text(text)) == text


@pytest.mark.parametrize("text", ["", "A" * 43 + "=\n", "A" * 42 + "B=", "é" * 44, "A" * 40 + "===="])
def test_loose_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedDocumentError):
        keys.key_from_text(text)
