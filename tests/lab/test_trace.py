"""Traces survive being read while they are written."""

from pathlib import Path

from carnet.lab import trace
from carnet.lab.trace import AUDIO, REPLAY, VIDEO, TraceWriter


def test_rows_come_back_as_they_were_noted(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "sent") as writer:
        writer.add(5_000_000_000_000, VIDEO, 1, 1300, 65_535, 0xFFFFFFFF)
        writer.add(5_000_000_000_001, AUDIO, 0, 80, 65_536 + 7, (1 << 32) + 9)
    rows = trace.read(tmp_path / "sent")
    assert [tuple(row) for row in rows.tolist()] == [
        (5_000_000_000_000, VIDEO, 1, 1300, 65_535, 0xFFFFFFFF),
        (5_000_000_000_001, AUDIO, 0, 80, 7, 9),
    ]


def test_a_half_written_row_is_not_there_yet(tmp_path: Path) -> None:
    with TraceWriter(tmp_path / "sent") as writer:
        writer.add(1, VIDEO, 0, 10, 1, 1)
        assert len(trace.read(tmp_path / "sent")) == 0
        writer.flush()
        assert len(trace.read(tmp_path / "sent")) == 1
    with (tmp_path / "sent").open("ab") as file:
        file.write(b"\0" * (trace.ROW.itemsize - 1))
    assert len(trace.read(tmp_path / "sent")) == 1


def test_traces_join_in_order_of_time_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    for name, times in (("a", (1, 4)), ("b", (2, 3))):
        with TraceWriter(tmp_path / name) as writer:
            for at_ns in times:
                writer.add(at_ns, REPLAY, 0, 12, at_ns, at_ns)
    joined = trace.joined([tmp_path / "a", tmp_path / "b", tmp_path / "none"])
    assert joined["at_ns"].tolist() == [1, 2, 3, 4]
