"""`ercbench verify` and `ercbench submit` through the installed command."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from recorded import Cell, edited, record

CODE = "open({mark!r}, 'w').write('executed')\n"


def ercbench(command: Path, folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, and see that it ends with `code`."""
    found = subprocess.run([command, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found


def test_runs_are_verified_packed_and_verified_again(ercbench_command: Path, tmp_path: Path) -> None:
    """The way of a run to a pull request: verify, submit, verify what was made; tampering on the way is noticed."""
    path = record(tmp_path / "mine", Cell())
    done = ercbench(ercbench_command, tmp_path, "verify", "mine")
    assert done.stdout.endswith("\n1 of 1 record verified; 0 faults, 0 notes.\n")
    ercbench(ercbench_command, tmp_path, "submit", str(path), "--to", "handed-in")
    ercbench(ercbench_command, tmp_path / "handed-in", "verify", ".")
    copy = tmp_path / "handed-in" / path.relative_to(tmp_path / "mine")
    edited(copy, lambda values: values["scores"]["test"].update(weighted_f1=0.9))
    done = ercbench(ercbench_command, tmp_path, "verify", "handed-in", "--json", code=7)
    report = json.loads(done.stdout)
    named = {(one["file"], one["field"]) for one in [*report["records"][0]["findings"], *report["others"]]}
    name = copy.relative_to(tmp_path / "handed-in").as_posix()
    assert {(name, "scores.test.weighted_f1"), ("manifest.json", f"files[{name}].sha256")} <= named
    done = ercbench(ercbench_command, tmp_path, "submit", "handed-in", "--to", "again", code=7)
    assert "Nothing was packed: 1 fault." in done.stderr
    assert not (tmp_path / "again").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_a_hostile_folder_is_reported_and_nothing_of_it_runs(ercbench_command: Path, tmp_path: Path) -> None:
    """Code, links, pipes and escape sequences in a folder are named; none of them does anything."""
    folder = tmp_path / "hostile"
    path = record(folder, Cell())
    mark = str(tmp_path / "mark")
    for name in ("sitecustomize.py", "torch.py", "ercbench_stock.py", "conftest.py", "__init__.py"):
        for place in (folder, folder / "records", path.parent):
            (place / name).write_text(CODE.format(mark=mark))
    (path.parent / "seed-1.json").symlink_to("/etc/passwd")
    os.mkfifo(path.parent / "seed-2.json")
    (path.parent / "seed-3.json").write_bytes(b'{"a":' * 100_000)
    (path.parent / "seed-4\x1b[2J.json").write_text("{}")
    edited(path, lambda values: values.update(command="ercbench run eacl; touch " + mark))
    done = ercbench(ercbench_command, folder, "verify", ".", code=7)
    for part in ("seed-1.json: the file: It is a symbolic link", "seed-2.json: the file", "more than 64 deep",
                 "torch.py: the file: No record names it", "seed-0.json: command: "):  # fmt: skip
        assert part in done.stdout
    assert "\x1b[2J" not in done.stdout + done.stderr
    assert not Path(mark).exists()
