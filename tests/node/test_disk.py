"""Files whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from carnet.errors import DiskFullError, MisuseError, NameTakenError, NoRightsError, StoreError
from carnet.node import disk


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    disk.write_private(tmp_path / "key", b"1")
    disk.write_private(tmp_path / "key", b"2")
    assert (tmp_path / "key").read_bytes() == b"2"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    disk.write_private_new(tmp_path / "pass", b"1")
    assert (tmp_path / "pass").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NameTakenError):
        disk.write_private_new(tmp_path / "pass", b"2")
    assert (tmp_path / "pass").read_bytes() == b"1"


def test_a_public_file_is_for_everyone(tmp_path: Path) -> None:
    disk.write_public(tmp_path / "directory", b"1")
    assert (tmp_path / "directory").stat().st_mode & 0o777 == 0o644


def test_no_file_is_misuse(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, tmp_path / "none" / "x"):
        with pytest.raises(MisuseError):
            disk.read_file(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "huge").write_bytes(b"x" * (disk.READ_BYTES_MOST + 1))
    with pytest.raises(MisuseError):
        disk.read_file(tmp_path / "huge")


def test_writing_into_nowhere_is_the_worlds_fault(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        disk.write_private(tmp_path / "none" / "x", b"")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EROFS, NoRightsError),
        (errno.EIO, StoreError),
    ],
)
def test_what_the_system_says_becomes_what_to_do(number: int, expected: type[Exception]) -> None:
    assert type(disk.world_error(OSError(number, os.strerror(number)), "x")) is expected


def test_named_places_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARNET_STATE", str(tmp_path / "a" / "b"))
    monkeypatch.setenv("CARNET_RUNTIME", str(tmp_path / "c"))
    assert disk.state_directory() == tmp_path / "a" / "b"
    assert disk.runtime_directory() == tmp_path / "c"
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
