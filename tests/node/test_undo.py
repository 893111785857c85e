"""What was changed is put back: at the end, and after a kill."""

import signal
import sys
from pathlib import Path

import pytest

from carnet.errors import GatewayError
from carnet.node import sysctl, undo
from carnet.node.undo import MARK, Journal
from tests.node.places import inside, namespaces, needs_root, place

CHANGE = """
import os, signal, sys
from pathlib import Path
from carnet.node import sysctl
from carnet.node.undo import MARK, Journal, run_tool
journal = Journal(Path(sys.argv[1]))
conf = Path(sys.argv[2])
sysctl.forward_ipv4(journal)
sysctl.forward_ipv6(journal)
journal.note(kind="table", family="inet", name="carnet_cp")
run_tool(["nft", "add table inet carnet_cp"])
journal.note(kind="route", to="198.51.100.7/32", proto=178)
run_tool(["ip", "route", "add", "198.51.100.7/32", "dev", "lo", "proto", "178"])
journal.note(kind="file", path=str(conf), was=conf.read_text(), link=None)
conf.write_text(MARK + "\\nnameserver 127.78.0.1\\n")
print("changed", flush=True)
if sys.argv[3] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
journal.undo()
"""
REPAIR = """
import sys
from pathlib import Path
from carnet.node.undo import Journal
print(Journal(Path(sys.argv[1])).repair())
"""
PLACE = place("un")


def settings() -> dict[str, str]:
    names = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.lo.accept_ra")
    return {name: inside(PLACE, "sysctl", "-n", name).stdout.strip() for name in names}


def traces() -> str:
    ruleset = inside(PLACE, "nft", "list", "ruleset").stdout
    return ruleset + inside(PLACE, "ip", "route", "show", "proto", "178").stdout


@needs_root
@pytest.mark.parametrize("how", ["end", "kill"])
def test_the_machine_is_as_it_was(tmp_path: Path, how: str) -> None:
    journal, conf = tmp_path / "undo", tmp_path / "resolv.conf"
    conf.write_text("nameserver 192.0.2.53\n")
    with namespaces(PLACE):
        before = settings()
        done = inside(PLACE, sys.executable, "-c", CHANGE, str(journal), str(conf), how, check=False)
        assert done.stdout == "changed\n"
        if how == "kill":
            assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
            assert settings() != before
            assert "carnet_cp" in traces()
            assert "198.51.100.7" in traces()
            assert conf.read_text().startswith(MARK)
            assert inside(PLACE, sys.executable, "-c", REPAIR, str(journal)).stdout.strip() != "0"
        assert settings() == before
        assert traces() == ""
    assert conf.read_text() == "nameserver 192.0.2.53\n"
    assert not journal.exists()


@needs_root
def test_repairing_twice_is_repairing_once(tmp_path: Path) -> None:
    journal, conf = tmp_path / "undo", tmp_path / "resolv.conf"
    conf.write_text("nameserver 192.0.2.53\n")
    with namespaces(PLACE):
        inside(PLACE, sys.executable, "-c", CHANGE, str(journal), str(conf), "kill", check=False)
        saved = journal.read_bytes()
        inside(PLACE, sys.executable, "-c", REPAIR, str(journal))
        journal.write_bytes(saved)
        inside(PLACE, sys.executable, "-c", REPAIR, str(journal))
        assert traces() == ""
    assert conf.read_text() == "nameserver 192.0.2.53\n"


@needs_root
def test_what_another_campus_needs_stays(tmp_path: Path) -> None:
    journal, conf = tmp_path / "undo", tmp_path / "resolv.conf"
    conf.write_text("nameserver 192.0.2.53\n")
    with namespaces(PLACE):
        before = settings()
        inside(PLACE, "nft", "add table inet carnet_other")
        inside(PLACE, sys.executable, "-c", CHANGE, str(journal), str(conf), "end")
        assert settings()["net.ipv4.ip_forward"] == "1" != before["net.ipv4.ip_forward"]
        assert "carnet_other" in traces()
        assert "carnet_cp" not in traces()


def test_a_file_somebody_else_wrote_since_is_left_alone(tmp_path: Path) -> None:
    conf, journal = tmp_path / "resolv.conf", Journal(tmp_path / "undo")
    journal.note(kind="file", path=str(conf), was="old\n", link=None)
    conf.write_text("nameserver 192.0.2.99\n")
    journal.undo()
    assert conf.read_text() == "nameserver 192.0.2.99\n"


def test_a_file_that_was_absent_is_absent_again(tmp_path: Path) -> None:
    conf, journal = tmp_path / "resolv.conf", Journal(tmp_path / "undo")
    journal.note(kind="file", path=str(conf), was=None, link=None)
    conf.write_text(MARK + "\n")
    journal.undo()
    assert not conf.exists()


def test_a_link_is_a_link_again(tmp_path: Path) -> None:
    conf, journal = tmp_path / "resolv.conf", Journal(tmp_path / "undo")
    (tmp_path / "target").write_text("target\n")
    journal.note(kind="file", path=str(conf), was="target\n", link="target")
    conf.write_text(MARK + "\n")
    journal.undo()
    assert conf.is_symlink()
    assert conf.read_text() == "target\n"


def test_a_damaged_journal_is_undone_as_far_as_it_reads(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    journal = Journal(tmp_path / "undo")
    journal.note(kind="file", path=str(conf), was="old\n", link=None)
    conf.write_text(MARK + "\n")
    with (tmp_path / "undo").open("ab") as file:
        file.write(b'{"kind": "nonsense"}\n{"kind": "fi')
    assert Journal(tmp_path / "undo").repair() == 1
    assert conf.read_text() == "old\n"


def test_one_step_that_fails_does_not_keep_the_others_from_being_undone(tmp_path: Path) -> None:
    conf, journal = tmp_path / "resolv.conf", Journal(tmp_path / "undo")
    journal.note(kind="file", path=str(conf), was="old\n", link=None)
    conf.write_text(MARK + "\n")
    journal.note(kind="file", path="/proc/self/none/none", was="x", link=None)
    journal.undo()
    assert conf.read_text() == "old\n"


def test_a_setting_is_noted_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    (tmp_path / "a").write_text("1\n")
    journal = Journal(tmp_path / "undo")
    sysctl.set_noted(journal, "a", "1")
    assert not (tmp_path / "undo").exists()
    sysctl.set_noted(journal, "a", "2")
    assert (tmp_path / "undo").exists()
    with pytest.raises(GatewayError):
        sysctl.set_noted(journal, "none", "1")


def test_a_tool_that_is_missing_or_says_no_is_named() -> None:
    with pytest.raises(GatewayError, match="not installed"):
        undo.run_tool(["cp-no-such-tool"])
    with pytest.raises(GatewayError, match="false"):
        undo.run_tool(["false"])
    assert undo.run_tool(["cat"], b"x") == b"x"
