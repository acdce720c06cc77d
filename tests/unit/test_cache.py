"""The cache: hit, miss, damage, limit, two writers, a folder that cannot be written to."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ercbench import checkpoints
from ercbench.cache import Cache
from ercbench.checkpoints import load_tokenizer, locate, token_ids
from ercbench.cli import cli
from ercbench.errors import UsageError


class Counted:
    """Makes an array and counts how often it was asked to."""

    def __init__(self, size: int = 4) -> None:
        self.size, self.calls = size, 0

    def __call__(self) -> dict[str, np.ndarray]:
        """The array."""
        self.calls += 1
        return {"x": np.arange(self.size, dtype=np.float32)}


def test_a_key_is_computed_once(tmp_path: Path) -> None:
    """Again from disk, in another instance as well; another key, or kind, is computed."""
    compute = Counted()
    for _ in range(2):
        found = Cache(tmp_path).arrays("vectors", {"a": 1, "b": [2]}, compute)
        np.testing.assert_array_equal(found["x"], np.arange(4, dtype=np.float32))
    assert compute.calls == 1
    Cache(tmp_path).arrays("vectors", {"a": 1, "b": [3]}, compute)
    Cache(tmp_path).arrays("others", {"a": 1, "b": [2]}, compute)
    assert compute.calls == 3


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 40, None])
def test_a_damaged_entry_is_never_used(tmp_path: Path, damage: bytes | None) -> None:
    """Cut, overwritten, or with one bit flipped: it is computed again and replaced."""
    compute = Counted()
    Cache(tmp_path).arrays("vectors", {}, compute)
    [entry] = Cache(tmp_path).entries()
    content = entry.path.read_bytes()
    entry.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    for _ in range(2):
        found = Cache(tmp_path).arrays("vectors", {}, compute)
        np.testing.assert_array_equal(found["x"], np.arange(4, dtype=np.float32))
    assert compute.calls == 2


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    """Beyond the limit the entry that was not read for longest is removed; one larger than the limit is not kept."""
    cache, size = Cache(tmp_path, limit=1), 2**20 // 4 // 3  # a third of a MiB and its header each
    for number in range(2):
        cache.arrays("vectors", {"n": number}, Counted(size))
        for entry in cache.entries():
            os.utime(entry.path, (entry.used - 100, entry.used - 100))
    unread = Counted(size)
    cache.arrays("vectors", {"n": 0}, unread)
    assert unread.calls == 0
    cache.arrays("vectors", {"n": 2}, Counted(size))
    again = Counted(size)
    cache.arrays("vectors", {"n": 0}, again)
    assert again.calls == 0
    cache.arrays("vectors", {"n": 1}, again)
    assert again.calls == 1
    large = Counted(2**20)
    for _ in range(2):
        cache.arrays("vectors", {"large": True}, large)
    assert large.calls == 2
    assert sum(entry.size for entry in cache.entries()) <= 2**20


def test_two_at_once(tmp_path: Path) -> None:
    """Writers of the same key do not harm each other."""
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(Cache(tmp_path).arrays("v", {}, Counted(1000))["x"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(result, np.arange(1000)) for result in results)
    assert len(Cache(tmp_path).entries()) == 1


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """A file in its place: everything is computed, and nothing fails."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    compute = Counted()
    for _ in range(2):
        Cache(blocked / "cache").arrays("vectors", {}, compute)
    assert compute.calls == 2


def test_what_cannot_be_kept_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However many arrays it is, and nothing half-written is left."""
    (tmp_path / "file").write_text("")
    for number in range(3):
        Cache(tmp_path / "file").arrays("vectors", {"n": number}, Counted())
    [said] = caplog.messages
    assert said == f"The cache {tmp_path / 'file'} cannot be written: Not a directory. The run goes on without it."


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary file, however often it is tried."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        Cache(tmp_path).arrays("vectors", {}, Counted())
    assert list((tmp_path / "vectors").iterdir()) == []


@pytest.mark.parametrize("ago", [7200, -7200], ids=["old", "from the future"])
def test_what_a_killed_process_left_goes(tmp_path: Path, ago: float) -> None:
    """A temporary file that is not of this hour, by whatever clock; one that may still be written stays."""
    (tmp_path / "vectors").mkdir()
    for name in (".left.tmp", ".new.tmp"):
        (tmp_path / "vectors" / name).write_bytes(b"half of")
    when = time.time() - ago
    os.utime(tmp_path / "vectors" / ".left.tmp", (when, when))
    Cache(tmp_path).arrays("vectors", {}, Counted())
    assert [path.name for path in (tmp_path / "vectors").glob(".*")] == [".new.tmp"]


def test_a_clock_that_was_set_back_changes_no_limit(tmp_path: Path) -> None:
    """Entries last used in the future are found, and go like any others when there is no room."""
    cache, size = Cache(tmp_path, limit=1), 2**20 // 4 // 3  # a third of a MiB and its header each
    for number in range(2):
        cache.arrays("vectors", {"n": number}, Counted(size))
    for entry in cache.entries():
        os.utime(entry.path, (time.time() + 10**6, time.time() + 10**6))
    unread = Counted(size)
    cache.arrays("vectors", {"n": 1}, unread)
    assert unread.calls == 0
    for number in range(2, 6):
        cache.arrays("vectors", {"n": number}, Counted(size))
        assert sum(entry.size for entry in cache.entries()) <= 2**20


def test_token_ids_are_those_of_the_tokenizer(
    tiny_checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the tokenizer, into the cache and out of it again; empty texts, and two texts for one, are told apart."""
    monkeypatch.setenv("ERCBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoints, "WORTH_KEEPING", 2)
    tokenizer = load_tokenizer(locate(str(tiny_checkpoint("bert")), ()))
    for texts in (["ab c", "", "d"], ["ab c", "d"], ["ab", "c d"]):
        plain = tokenizer(texts, add_special_tokens=False)["input_ids"]
        for _ in range(2):
            assert token_ids(tokenizer, texts) == dict(zip(texts, plain, strict=True))
    assert [entry.kind for entry in Cache().entries()] == ["token-ids"] * 3


def test_the_command_shows_and_clears(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is kept by kind, as text and as JSON; cleared by kind or altogether."""
    monkeypatch.setenv("ERCBENCH_CACHE", str(tmp_path))
    assert "It is empty." in CliRunner().invoke(cli, ["cache", "show"]).output
    for kind in ("a", "a", "b"):
        Cache().arrays(kind, {"n": len(Cache().entries())}, Counted())
    shown = json.loads(CliRunner().invoke(cli, ["cache", "show", "--json"]).output)
    assert {kind: held["entries"] for kind, held in shown["kinds"].items()} == {"a": 2, "b": 1}
    assert shown["limit_bytes"] == 2**31
    assert "Removed 2" in CliRunner().invoke(cli, ["cache", "clear", "--kind", "a"]).output
    assert "b: entries 1" in CliRunner().invoke(cli, ["cache", "show"]).output
    assert "Removed 1" in CliRunner().invoke(cli, ["cache", "clear"]).output


def test_a_limit_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said, with what to do."""
    monkeypatch.setenv("ERCBENCH_CACHE_LIMIT", "2G")
    with pytest.raises(UsageError, match=r"whole number of MiB\. Got '2G'"):
        Cache()
