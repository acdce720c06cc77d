"""A finished run put to use: `ercbench predict` on conversations, `ercbench export` for plain transformers."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import edited

from ercbench import data
from ercbench.catalog import load_catalog
from ercbench.devices import _cpu_has_bf16
from ercbench.inference import softmax
from ercbench.prediction_files import read_predictions
from ercbench.specs import DatasetSpec

pytestmark = pytest.mark.pretrained
TALK = [("1", "Ann", "Tea?"), ("1", "Bob", "No, thank you!")]


@pytest.fixture(scope="module", params=["eacl", "eacl-shared"])
def record(
    request: pytest.FixtureRequest, ercbench_command: Path, minilm: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The record of a short run, its model beside it."""
    folder = tmp_path_factory.mktemp("run")
    small = ["--dataset", "meld-sample", "--track", "mini", "--limit", "4", "--device", "cpu", "--quiet"]
    subprocess.run([ercbench_command, "run", request.param, *small, "--results", folder], check=True, timeout=600)
    [found] = folder.glob("records/*/*/*/seed-0.json")
    return found


def predict(
    command: Path, record: Path, *arguments: str, given: str | bytes = "", code: int = 0
) -> subprocess.CompletedProcess[bytes]:
    """Run `ercbench predict` with something on standard input."""
    text = given.encode() if isinstance(given, str) else given
    found = subprocess.run(
        [command, "predict", str(record), *arguments], input=text, capture_output=True, timeout=300, check=False
    )
    assert found.returncode == code, found.stderr.decode()
    assert b"Traceback" not in found.stderr
    return found


def jsonl(turns: Sequence[tuple[str, str, str]]) -> str:
    """Turns as a file."""
    return "".join(
        json.dumps({"dialogue": dialogue, "speaker": speaker, "text": text}) + "\n" for dialogue, speaker, text in turns
    )


def rows(found: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """What was written."""
    return [json.loads(line) for line in found.stdout.decode().splitlines()]


def test_prediction_on_the_test_split_is_that_of_the_run(ercbench_command: Path, record: Path, tmp_path: Path) -> None:
    """The dialogues of the test split, given as a file, get the probabilities of the run's predictions file."""
    corpus = data.load(load_catalog().get(DatasetSpec, "meld-sample"), None, 4)
    file = tmp_path / "talk.jsonl"
    file.write_text(jsonl([(d.key, u.speaker, u.text) for d in corpus.test for u in d.utterances]), encoding="utf-8")
    found = rows(predict(ercbench_command, record, str(file), "--precision", "fp32"))
    labels, predictions = read_predictions(record.with_name("seed-0.predictions.csv"))
    labelled = [i for i, u in enumerate(u for d in corpus.test for u in d.utterances) if u.label is not None]
    assert len(labelled) == len(predictions.uids)
    expected = softmax(predictions.scores)
    for index, wanted in zip(labelled, expected, strict=True):
        got = [found[index]["probabilities"][label] for label in labels]
        np.testing.assert_allclose(got, wanted, atol=2e-4)
        assert found[index]["probabilities"][found[index]["emotion"]] == max(got)


def test_live_answers_equal_those_of_a_file(ercbench_command: Path, record: Path, tmp_path: Path) -> None:
    """Standard input is answered line by line, a CSV file in chunks; both write one row per turn."""
    live = rows(predict(ercbench_command, record, given=jsonl(TALK)))
    assert [(row["dialogue"], row["turn"], row["speaker"]) for row in live] == [("1", 0, "Ann"), ("1", 1, "Bob")]
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-4 for row in live)
    file = tmp_path / "talk.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("dialogue", "speaker", "text"), *TALK])
    found = predict(ercbench_command, record, str(file), "--csv")
    for row, other in zip(csv.DictReader(found.stdout.decode().splitlines()), live, strict=True):
        assert row["emotion"] == other["emotion"]
        assert float(row[row["emotion"]]) == pytest.approx(max(other["probabilities"].values()), abs=1e-3)


def test_bf16_is_close_and_refused_where_it_is_not_there(ercbench_command: Path, record: Path) -> None:
    """Near the probabilities of float32, and the default; or a message on a processor without bf16."""
    arguments = ("--no-live", "--device", "cpu", "--precision", "bf16")
    if not _cpu_has_bf16():
        assert b"no bf16" in predict(ercbench_command, record, *arguments, given=jsonl(TALK), code=2).stderr
        return
    exact = rows(predict(ercbench_command, record, "--no-live", "--precision", "fp32", given=jsonl(TALK)))
    asked = predict(ercbench_command, record, *arguments, given=jsonl(TALK))
    default = predict(ercbench_command, record, "--no-live", "--device", "cpu", given=jsonl(TALK))
    assert default.stdout == asked.stdout
    assert b"Computing in bf16" in default.stderr
    for row, other in zip(rows(asked), exact, strict=True):
        assert list(row["probabilities"].values()) == pytest.approx(list(other["probabilities"].values()), abs=0.05)
        assert row["probabilities"] != other["probabilities"]


def test_a_broken_row_loses_nothing_before_it(ercbench_command: Path, record: Path) -> None:
    """The turns before it are answered; the message names the row, the field and the value."""
    given = jsonl(TALK) + '{"dialogue": "1", "speaker": "Ann", "text": 5}\n'
    found = predict(ercbench_command, record, "--no-live", given=given, code=3)
    assert len(rows(found)) == 2
    assert "standard input, line 3, field text" in found.stderr.decode()
    assert "Got 5" in found.stderr.decode()


def test_the_card_of_an_exported_model_works_without_ercbench(
    ercbench_command: Path, record: Path, tmp_path: Path
) -> None:
    """Its code, run where ercbench cannot be imported, scores as `ercbench predict` does."""
    folder = tmp_path / "model"
    subprocess.run([ercbench_command, "export", record, folder], check=True, timeout=300)
    assert {"config.json", "model.safetensors", "head.safetensors", "classifier.safetensors", "README.md"} <= {
        path.name for path in folder.iterdir()
    }
    again = subprocess.run([ercbench_command, "export", record, folder], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "new or empty" in again.stderr
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    if "eacl-shared@" in str(record):
        assert code is None
        assert "ercbench predict" in (folder / "README.md").read_text()
        return
    assert code is not None
    blocked = "import sys; sys.modules['ercbench'] = None\n" + code.group(1)
    done = subprocess.run([sys.executable, "-c", blocked], cwd=folder, capture_output=True, text=True, check=True)
    label, _, scores = done.stdout.strip().partition(" ")
    answer = rows(predict(ercbench_command, record, given=jsonl(TALK)))[1]
    assert label == answer["emotion"]
    shown = softmax(np.array([json.loads(scores)], dtype=np.float32) / np.float32(0.1))[0]
    np.testing.assert_allclose(shown, list(answer["probabilities"].values()), atol=1e-3)


def test_a_model_that_is_not_there_or_damaged_is_refused(ercbench_command: Path, record: Path, tmp_path: Path) -> None:
    """Whatever is wrong with it, the message says what to do."""
    lone = tmp_path / "seed-0.json"
    shutil.copy(record, lone)
    assert b"No model was kept" in predict(ercbench_command, lone, code=7).stderr
    shutil.copytree(record.with_suffix(".model"), lone.with_suffix(".model"))
    file = lone.with_suffix(".model") / "classifier.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert b"classifier.safetensors is damaged" in predict(ercbench_command, lone, code=7).stderr
    shutil.copy(record.with_suffix(".model") / file.name, file)
    edited(lone, lambda values: values["config"].update({"encoder.max_tokens": 100}))
    assert b"encoder.max_tokens" in predict(ercbench_command, lone, code=7).stderr
