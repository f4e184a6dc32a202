"""Manifests, keys and whole files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from percept import store
from percept.schema import PerceptError
from percept.store import Manifest, Plan, Record, digest, key, write_text, writing


def entry(folder: Path, text: str = "content") -> Record:
    write_text(folder / "a.txt", text)
    return Record("convert", "a", path="a.txt", key="k1", digest=digest(folder / "a.txt"))


def test_a_record_comes_back_from_disk(tmp_path: Path) -> None:
    """A line appended to a manifest is found by a later reader, and the last line about an item counts."""
    manifest = Manifest(tmp_path).open()
    manifest.append(entry(tmp_path))
    manifest.append(Record("convert", "a", key="k2", status="failed", reason="why"))
    again = Manifest(tmp_path)
    assert again.find("convert", "a") == Record("convert", "a", key="k2", status="failed", reason="why")


def test_reuse_needs_the_key_and_the_whole_file(tmp_path: Path) -> None:
    """A record is reusable while its key agrees and its file is as it was written, and not otherwise."""
    manifest = Manifest(tmp_path).open()
    record = entry(tmp_path)
    manifest.append(record)
    assert manifest.reusable(record.name, "k1") == record
    assert manifest.reusable(record.name, "k2") is None
    (tmp_path / "a.txt").write_text("contenX")
    assert manifest.reusable(record.name, "k1") is None
    (tmp_path / "a.txt").unlink()
    assert manifest.reusable(record.name, "k1") is None


def test_a_foreseen_failure_is_remembered_and_an_unexpected_one_is_not(tmp_path: Path) -> None:
    """A verdict on the content is final; an unexpected error is tried again."""
    manifest = Manifest(tmp_path).open()
    manifest.append(Record("score", "a", key="k", status="failed", reason="silent"))
    manifest.append(Record("score", "b", key="k", status="failed", reason="bug", facts={"unexpected": "Traceback"}))
    assert manifest.reusable(("score", "a", "", ""), "k") is not None
    assert manifest.reusable(("score", "b", "", ""), "k") is None


def test_a_half_written_line_is_ignored_and_the_next_line_survives(tmp_path: Path) -> None:
    """A line cut by a kill costs its own item only."""
    manifest = Manifest(tmp_path).open()
    manifest.append(entry(tmp_path))
    with manifest.path.open("a") as file:
        file.write('{"stage": "convert", "item": "b", "condi')
    resumed = Manifest(tmp_path).open()
    resumed.append(Record("convert", "c", key="k3"))
    last = Manifest(tmp_path)
    assert last.find("convert", "a") and last.find("convert", "c") and not last.find("convert", "b")


def test_nothing_half_written_gets_its_name(tmp_path: Path) -> None:
    """An error while writing leaves neither the file nor a temporary one, and an older file as it was."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), writing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "old"


def test_left_over_temporary_files_are_removed(tmp_path: Path) -> None:
    """Opening a folder for writing removes what a killed run left, and nothing that a living one writes.

    Processes of another machine on a shared file system cannot be asked: what they left goes after a day.
    """
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = store._MACHINE
    left, live = (tmp_path / f".percept-{here}-{number}-a.wav" for number in (gone.pid, os.getpid()))
    old, fresh = (tmp_path / f".percept-elsewhere-{gone.pid}-{name}.wav" for name in ("old", "fresh"))
    for path in (left, live, old, fresh):
        path.write_text("half")
    os.utime(old, (0, 0))
    Manifest(tmp_path).open()
    assert live.exists() and fresh.exists() and not left.exists() and not old.exists()
    with writing(tmp_path / "a.wav") as temporary:
        Manifest(tmp_path).open()
        assert temporary.parent == tmp_path and temporary.write_text("whole")


def test_lines_share_their_texts(tmp_path: Path) -> None:
    """Of many lines about one clip each text is held once, and names of facts, too; a file is read once."""
    manifest = Manifest(tmp_path).open()
    for number in range(3):
        facts = {"audio_seconds": 1.5, "kind": "speech"}
        manifest.append(Record("score", "a clip", f"noise_{number}", "stoi", reason="a remark", facts=facts))
    read = Manifest(tmp_path).records()
    assert read == manifest.records()
    for field in ("stage", "item", "measure", "status", "reason"):
        assert len({id(getattr(record, field)) for record in read}) == 1, field
    assert len({id(name) for record in read for name in record.facts}) == 2
    assert len({id(record.facts["kind"]) for record in read}) == 1
    assert all(a is b for a, b in zip(read, Manifest(tmp_path).records(), strict=True))


def test_plans_replace_each_other(tmp_path: Path) -> None:
    """The last plan of a stage counts, and an unchanged plan adds no line."""
    manifest = Manifest(tmp_path).open()
    for items in ([["a"]], [["b"]], [["b"]]):
        manifest.plan(Plan("degrade", items))
    assert Manifest(tmp_path).planned("degrade") == Plan("degrade", [["b"]])
    assert manifest.path.read_text().count("\n") == 2


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    """A file where the folder should be is an error that names both."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(PerceptError, match=r"cannot write to the folder .*taken"):
        Manifest(tmp_path / "taken").open()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest line that finds no space is an error that says what is safe and what to do."""
    manifest = Manifest(tmp_path).open()
    manifest.path.unlink()
    manifest.path.symlink_to("/dev/full")
    with pytest.raises(PerceptError, match=r"No space left.*what is finished is kept"):
        manifest.append(Record("convert", "a"))


def test_keys_depend_on_every_part() -> None:
    """Equal parts give equal keys; any change gives another."""
    assert key("a", 1, {"x": 2, "y": 3}) == key("a", 1, {"y": 3, "x": 2})
    assert len({key("a", 1), key("a", 2), key("b", 1), key("a", "1")}) == 4


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is known again without reading; a change of the content, at the same size, is noticed at once."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    while time.time_ns() - path.stat().st_ctime_ns < 2 * store.TICK_NS:
        time.sleep(0.01)
    first = digest(path)
    with monkeypatch.context() as patch:
        patch.setattr(store.hashlib, "file_digest", None)
        assert digest(path) == first
    found = set()
    for content in (b"other", b"third", b"again"):
        path.write_bytes(content)
        found.add(digest(path))
    assert len(found | {first}) == 4


def test_a_manifest_is_read_anew_when_it_has_grown(tmp_path: Path) -> None:
    """Two readers share what was parsed, and what one appends is not in the other's hands until it is read."""
    manifest = Manifest(tmp_path).open()
    manifest.append(Record("convert", "a"), Record("convert", "b"))
    reader = Manifest(tmp_path)
    manifest.append(Record("convert", "c"))
    assert [record.item for record in reader.records()] == ["a", "b"]
    assert [record.item for record in Manifest(tmp_path).records()] == ["a", "b", "c"]
