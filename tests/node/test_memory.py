"""What the student's machine remembers: the newest directory, so that no older one is taken."""

from pathlib import Path

import pytest

from carnet.errors import BadSignatureError, ExpiredError, OtherCampusError, RolledBackError
from carnet.node.memory import Memory
from carnet.seal import keys
from carnet.tunnel import directory
from carnet.tunnel.directory import RelayEntry
from tests.tunnel.samples import DIRECTORY, NOW, OTHER_KEY, directory_document


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARNET_STATE", str(tmp_path))


def memory() -> Memory:
    return Memory(DIRECTORY.signing_key)


def test_the_newer_of_pass_and_memory_wins() -> None:
    assert memory().newest(directory_document(), NOW).version == 7
    assert memory().newest(directory_document(version=9), NOW).version == 9
    assert memory().newest(directory_document(version=8), NOW).version == 9


def test_an_expired_pass_directory_is_saved_by_a_newer_memory() -> None:
    memory().newest(directory_document(version=9), NOW)
    expired = directory_document(version=7, expires=NOW - 1)
    assert memory().newest(expired, NOW).version == 9
    with pytest.raises(ExpiredError):
        Memory(keys.verifying_key(OTHER_KEY)).newest(directory_document(OTHER_KEY, expires=NOW - 1), NOW)


def test_a_rollback_is_refused_even_after_a_restart() -> None:
    memory().newest(directory_document(version=9), NOW)
    again = memory()
    again.newest(directory_document(), NOW)
    with pytest.raises(RolledBackError):
        again.accept(directory_document(version=8), NOW)
    assert again.accept(directory_document(version=10), NOW).version == 10
    assert memory().newest(directory_document(), NOW).version == 10


def test_two_directories_of_one_version_are_refused() -> None:
    one = memory()
    one.newest(directory_document(), NOW)
    assert one.accept(directory_document(), NOW) == DIRECTORY
    with pytest.raises(RolledBackError):
        one.accept(directory_document(relays=(RelayEntry("x", "192.0.2.1:1", "", ""),)), NOW)


def test_a_stranger_is_refused_and_changes_nothing() -> None:
    one = memory()
    one.newest(directory_document(), NOW)
    with pytest.raises(OtherCampusError):
        one.accept(directory_document(OTHER_KEY, version=99), NOW)
    with pytest.raises(BadSignatureError):
        one.accept(directory.write(DIRECTORY, OTHER_KEY), NOW)
    assert memory().newest(directory_document(), NOW) == DIRECTORY


def test_a_damaged_memory_is_as_good_as_none() -> None:
    memory().newest(directory_document(version=9), NOW)
    memory().path.write_bytes(b"damaged")
    assert memory().newest(directory_document(), NOW).version == 7
