"""The campus on disk: what it holds, and what survives a killed command and a full disk."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from carnet.errors import (
    CampusExistsError,
    DiskFullError,
    MisuseError,
    NameTakenError,
    NetworkFullError,
    NotACampusError,
    StoreError,
    UnknownNameError,
)
from carnet.node import disk
from carnet.node.database import DATABASE, GATEWAY_KEY, SIGNING_KEY
from carnet.node.founding import found
from carnet.node.store import Store
from carnet.seal import keys
from carnet.tunnel import directory as directories
from carnet.tunnel import passes
from carnet.tunnel.directory import DAY_S, RelayEntry
from tests.node.places import needs_root, run

NOW = 1_780_000_000
TOKYO = RelayEntry("tokyo", "198.18.2.2:51820", "", "JP")


def founded(path: Path, network: str = "10.78.0.0/16", services: tuple[str, ...] = ("zoom",)) -> Path:
    found(
        path,
        name="alpine",
        endpoint="192.0.2.1:51820",
        network=network,
        services=list(services),
        allowed=["203.0.113.0/24"],
        now=NOW,
    )
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(founded(tmp_path / "campus")) as opened:
        yield opened


def issue(store: Store, student: str, now: int = NOW) -> bytes:
    with store.issuing(student, now) as file:
        return file


def test_a_new_campus_is_private_and_whole(store: Store) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o700
    for name in (DATABASE, SIGNING_KEY, GATEWAY_KEY):
        assert (store.path / name).stat().st_mode & 0o777 == 0o600
    directory, document = store.directory()
    assert directories.read(document, NOW, signing_key=directory.signing_key) == directory
    assert keys.wireguard_public(store.gateway_key()) == directory.gateway_key
    assert (directory.version, directory.campus, store.name) == (1, "alpine", "alpine")


def test_founding_never_writes_over_anything(tmp_path: Path) -> None:
    founded(tmp_path / "campus")
    before = (tmp_path / "campus" / SIGNING_KEY).read_bytes()
    with pytest.raises(CampusExistsError):
        founded(tmp_path / "campus")
    (tmp_path / "file").write_text("")
    with pytest.raises(CampusExistsError):
        founded(tmp_path / "file")
    assert (tmp_path / "campus" / SIGNING_KEY).read_bytes() == before
    (tmp_path / "empty").mkdir()
    founded(tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campus", "empty", "file"]


@pytest.mark.parametrize(
    "changes",
    [{"network": "8.8.0.0/16"}, {"services": ["x"]}, {"endpoint": "x"}, {"name": "X"}, {"allowed": ["::/0"]}],
)
def test_a_campus_of_nonsense_leaves_nothing(tmp_path: Path, changes: dict[str, object]) -> None:
    sound: dict[str, object] = {
        "name": "alpine",
        "endpoint": "192.0.2.1:1",
        "network": "10.78.0.0/16",
        "services": [],
        "allowed": [],
        "now": NOW,
    }
    with pytest.raises(MisuseError):
        found(tmp_path / "campus", **(sound | changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    found(tmp_path / "campus", **sound)  # type: ignore[arg-type]


def test_no_campus(tmp_path: Path) -> None:
    with pytest.raises(NotACampusError):
        Store(tmp_path)


def test_a_file_that_is_no_database(store: Store) -> None:
    (store.path / DATABASE).write_bytes(b"no database at all, whatever its name may say" * 100)
    with pytest.raises(StoreError):
        Store(store.path)


def test_a_version_of_tomorrow(store: Store) -> None:
    with sqlite3.connect(store.path / DATABASE) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(store.path)


def test_relays_come_and_go_and_the_directory_with_them(store: Store) -> None:
    store.add_relay(TOKYO, NOW + 1)
    directory, document = store.directory()
    assert (directory.version, directory.relays, directory.issued) == (2, (TOKYO,), NOW + 1)
    assert directories.read(document, NOW + 1, seen_version=2) == directory
    with pytest.raises(NameTakenError):
        store.add_relay(TOKYO, NOW)
    store.remove_relay("tokyo", NOW + 2)
    assert (store.directory()[0].version, store.directory()[0].relays) == (3, ())
    with pytest.raises(UnknownNameError):
        store.remove_relay("tokyo", NOW)


def test_a_pass_reads_and_its_key_stays_nowhere_else(store: Store) -> None:
    holding = passes.read(issue(store, "li"), NOW)
    assert (holding.signed.student, holding.signed.number) == ("li", 2)
    assert holding.directory == store.directory()[0]
    assert store.students()[0].public_key == holding.signed.public_key
    for path in store.path.iterdir():
        content = path.read_bytes()
        assert holding.private_key not in content
        assert keys.key_text(holding.private_key).encode() not in content


def test_numbers_are_handed_out_in_order_and_again_when_free(tmp_path: Path) -> None:
    with Store(founded(tmp_path / "small", network="10.78.0.0/29")) as store:
        numbers = [passes.read(issue(store, f"s{n}"), NOW).signed.number for n in range(5)]
        assert numbers == [2, 3, 4, 5, 6]
        with pytest.raises(NetworkFullError):
            issue(store, "late")
        store.revoke("s2", NOW)
        assert passes.read(issue(store, "late"), NOW).signed.number == 4
        assert [row.student for row in store.students()] == ["s0", "s1", "late", "s3", "s4"]


def test_one_pass_each_until_it_is_revoked(store: Store) -> None:
    issue(store, "li")
    with pytest.raises(NameTakenError):
        issue(store, "li")
    store.revoke("li", NOW)
    assert [row.state(NOW) for row in store.students()] == ["revoked"]
    issue(store, "li")
    assert sorted(row.state(NOW) for row in store.students()) == ["revoked", "valid"]
    with pytest.raises(UnknownNameError):
        store.revoke("nobody", NOW)


def test_a_pass_ends_by_itself(store: Store) -> None:
    issue(store, "li")
    row = store.students()[0]
    assert row.works(row.expires - 1)
    assert not row.works(row.expires)


def test_a_pass_never_outlives_its_directory(store: Store) -> None:
    late = NOW + 300 * DAY_S
    holding = passes.read(issue(store, "li", late), late)
    assert holding.directory.expires > holding.signed.expires
    assert holding.directory.version == 2


def test_renewing_signs_only_when_something_is_due(store: Store) -> None:
    store.renew(NOW + DAY_S)
    assert store.directory()[0].version == 1
    store.renew(NOW + 300 * DAY_S)
    assert store.directory()[0].version == 2


def test_a_file_that_cannot_be_written_leaves_no_student(store: Store) -> None:
    with pytest.raises(OSError, match="no room"), store.issuing("li", NOW):
        raise OSError("no room")
    assert store.students() == []
    assert store.directory()[0].version == 1
    assert passes.read(issue(store, "li"), NOW).signed.number == 2


def test_another_process_notices_at_once(store: Store) -> None:
    before = store.data_version()
    assert store.data_version() == before
    with Store(store.path) as other:
        other.add_relay(TOKYO, NOW)
    assert store.data_version() != before
    assert store.directory()[0].relays == (TOKYO,)


ISSUE_FOREVER = """
import sys
from pathlib import Path
from carnet.node.store import Store
store = Store(Path(sys.argv[1]))
n = 0
while True:
    with store.issuing(f"s{n}", 1_780_000_000):
        pass
    sys.stdout.write(f"s{n}\\n")
    sys.stdout.flush()
    n += 1
"""


def test_a_killed_command_loses_nothing_it_reported(store: Store) -> None:
    reported: list[str] = []
    for kill_after in (1, 4, 9):
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                ISSUE_FOREVER.replace("n = 0", f"n = {len(reported) + 100}"),
                str(store.path),
            ],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for _ in range(kill_after):
                reported.append(process.stdout.readline().strip())
            process.send_signal(signal.SIGKILL)
            reported += [line.strip() for line in process.stdout if line.endswith("\n")]
        with Store(store.path) as again:
            kept = [row.student for row in again.students()]
            directory, document = again.directory()
            assert set(reported) <= set(kept)
            assert len(kept) - len(reported) in (0, 1, 2, 3)
            assert directories.read(document, NOW) == directory


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "cp-small", str(place))
    try:
        yield place
    finally:
        run("umount", str(place))


def fill(place: Path) -> Path:
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def issue_until_it_fails(store: Store, kept: list[str]) -> None:
    for n in range(1000):
        issue(store, f"s{n}")
        kept.append(f"s{n}")


@needs_root
def test_a_full_disk_is_said_clearly_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "1m") as room, Store(founded(room / "campus")) as store:
        kept = ["first"]
        issue(store, "first")
        filler = fill(room)
        with pytest.raises(DiskFullError, match="disk is full"):
            issue_until_it_fails(store, kept)
        assert [row.student for row in store.students()] == kept
        filler.unlink()
        assert [row.student for row in store.students()] == kept
        issue(store, "after")
        assert [row.student for row in store.students()] == [*kept, "after"]


@needs_root
def test_a_pass_that_finds_no_room_is_no_pass(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "64k") as room:
        fill(room)
        with Store(founded(tmp_path / "campus")) as store:
            with pytest.raises(DiskFullError), store.issuing("li", NOW) as file:
                disk.write_private_new(room / "li.pass", file)
            assert store.students() == []
            assert [path.name for path in room.iterdir()] == ["filler"]


@needs_root
def test_a_disk_full_while_founding_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "tiny", "16k") as room:
        with pytest.raises(DiskFullError):
            founded(room / "campus")
        assert list(room.iterdir()) == []
