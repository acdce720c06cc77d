"""Stage 7: what is written can be read back unchanged, a file that exists is whole, and a bad field is named."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ercbench import prediction_files, records, whole_files
from ercbench.errors import RecordError, WriteError
from ercbench.records import RunRecord
from ercbench.types import Predictions

LABELS = ("neutral", "joy")


def split_scores(weighted_f1: float) -> dict[str, Any]:
    """Scores of one split, as JSON."""
    emotion = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 4}
    return {
        "weighted_f1": weighted_f1,
        "macro_f1": 0.1 + 0.2,
        "micro_f1_without_neutral": 1 / 3,
        "accuracy": 0.5,
        "per_class": dict.fromkeys(LABELS, emotion),
        "confusion": [[3, 1], [2, 2]],
        "slices": {
            "short": {"weighted_f1": 1 / 3, "accuracy": 0.5, "utterances": 4},
            "shift": {"weighted_f1": None, "accuracy": None, "utterances": 0},
        },
    }


def record_data() -> dict[str, Any]:
    """A record with every field, as JSON."""
    return {
        "schema_version": records.SCHEMA_VERSION,
        "recipe": {"name": "méthode", "version": "1.0", "reference": "A paper, section 3", "ranked": True},
        "dataset": {
            "name": "talk",
            "version": "1",
            "fingerprint": "sha256:" + "0" * 64,
            "split_fingerprints": {"test": "sha256:" + "1" * 64},
            "files": {"test.json": "2" * 64},
            "ranked": True,
            "limit": None,
            "utterances": {"train": 80, "dev": 10, "test": 8},
        },
        "track": "mini",
        "seed": 3,
        "command": "ercbench run méthode --dataset talk --track mini --seed 3",
        "overrides": {},
        "config": {"training.epochs": 8, "training.lr": 1e-5, "losses": ["a", None, {"b": True}]},
        "protocol": {
            "selection_split": "dev",
            "context": "past",
            "context_past": 8,
            "context_future": 0,
            "metric": "weighted_f1|classes:2",
        },
        "encoder": {"checkpoint": "small-encoder", "origin": "local folder", "sha256": None, "parameters": 1000},
        "plugins": [{"distribution": "ercbench", "version": "0.1.0"}],
        "environment": {
            "device": "cpu",
            "hardware": "a processor",
            "precision": "fp32",
            "python": "3.11.2",
            "packages": {"numpy": "2.0"},
        },
        "training": {
            "epochs": [
                {
                    "epoch": 1,
                    "losses": {"ce": 1.1},
                    "dev_weighted_f1": 0.4,
                    "seconds": 2.5,
                    "utterances_per_second": 32.0,
                }
            ],
            "chosen_epoch": 1,
            "candidates_dev_weighted_f1": [0.4, 1 / 3],
            "chosen_candidate": 1,
            "effective_batch": 64,
            "resumed_after_epochs": [],
        },
        "scores": {"dev": split_scores(0.4), "test": split_scores(2 / 3)},
        "predictions": {"file": "seed-3.predictions.csv", "sha256": "0" * 64},
        "seconds": {"training": 2.5},
        "started": "2026-01-01T00:00:00Z",
    }


def written(folder: Path, data: object) -> Path:
    """Any JSON as a record's file."""
    path = folder / "seed-3.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Write, read: the same record, to the last bit of every fraction; the predictions file lies beside it."""
    record = RunRecord.model_validate(record_data())
    path = records.record_path(tmp_path, "talk", "mini", "méthode@1.0", 3)
    records.write_record(path, record, "uid,neutral,joy\n")
    assert records.read_record(path) == record
    assert path == tmp_path / "records" / "talk" / "mini" / "méthode@1.0" / "seed-3.json"
    assert (path.parent / prediction_files.predictions_name(3)).read_text(encoding="utf-8") == "uid,neutral,joy\n"
    assert list(records.read_records(tmp_path)) == [(path.relative_to(tmp_path), record)]


def test_a_record_is_readable_by_a_person(tmp_path: Path) -> None:
    """One field a line, letters as letters, a line break at the end."""
    path = tmp_path / "seed-3.json"
    records.write_record(path, RunRecord.model_validate(record_data()), "")
    text = path.read_text(encoding="utf-8")
    assert '\n    "name": "méthode",\n' in text
    assert text.endswith("}\n")


def test_records_come_in_a_fixed_order(tmp_path: Path) -> None:
    """The order of records is that of their paths, whatever the order they were written in."""
    for seed in (2, 0, 1):
        record = RunRecord.model_validate({**record_data(), "seed": seed})
        records.write_record(records.record_path(tmp_path, "talk", "mini", "m@1", seed), record, "")
    assert [record.seed for _, record in records.read_records(tmp_path)] == [0, 1, 2]


def test_the_predictions_are_there_before_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cut off between the two files leaves no record that names a missing file."""
    order: list[str] = []
    monkeypatch.setattr(records, "write_atomically", lambda path, text: order.append(path.name))
    records.write_record(tmp_path / "seed-3.json", RunRecord.model_validate(record_data()), "")
    assert order == ["seed-3.predictions.csv", "seed-3.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """When the disk fails, the old file is whole and there is no temporary file."""
    path = tmp_path / "board.md"
    whole_files.write_atomically(path, "old\n")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(WriteError, match=r"board.md cannot be written. Got: no space left"):
        whole_files.write_atomically(path, "new\n")
    assert path.read_text(encoding="utf-8") == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_cannot_be_encoded_leaves_nothing_behind(tmp_path: Path) -> None:
    """A lone surrogate stops the write before a file has its name."""
    with pytest.raises(UnicodeEncodeError):
        whole_files.write_atomically(tmp_path / "board.md", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_written_files_may_be_read_by_everybody(tmp_path: Path) -> None:
    """A file is not left with the private mode of a temporary file, and line ends are not translated."""
    path = tmp_path / "new" / "board.md"
    whole_files.write_atomically(path, "a\nb\n")
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_bytes() == b"a\nb\n"


@pytest.mark.parametrize("version", [records.SCHEMA_VERSION + 1, 0, None, "1", True, 2.0])
def test_an_unknown_schema_version_is_refused(tmp_path: Path, version: object) -> None:
    """A record of a newer ercbench is not guessed at; the message says which versions are meant."""
    path = written(tmp_path, {**record_data(), "schema_version": version, "a_field_of_the_future": 1})
    with pytest.raises(
        RecordError, match=f"unknown schema version. Got {version!r}, this ercbench reads 1, 2, 3, 4, 5, 6. Update"
    ):
        records.read_record(path)


@pytest.mark.parametrize("data", [[], "text", None])
def test_json_that_is_no_record_is_refused(tmp_path: Path, data: object) -> None:
    """JSON of another kind is an error of ours, not a traceback."""
    with pytest.raises(RecordError, match="unknown schema version"):
        records.read_record(written(tmp_path, data))


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    """A file that was cut off, or is not there, is an error that names it."""
    path = written(tmp_path, record_data())
    path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.raises(RecordError, match=r"seed-3\.json: cannot read the record"):
        records.read_record(path)
    with pytest.raises(RecordError, match=r"absent\.json: cannot read the record"):
        records.read_record(tmp_path / "absent.json")


BAD_FIELDS: list[tuple[tuple[str, ...], object]] = [
    (("scores", "test", "weighted_f1"), 67.1),
    (("scores", "test", "weighted_f1"), float("nan")),
    (("scores", "dev", "macro_f1"), -0.1),
    (("scores", "test", "per_class", "joy", "f1"), 1.5),
    (("scores", "test", "per_class", "joy", "support"), -1),
    (("training", "chosen_epoch"), -1),
    (("training", "effective_batch"), 0),
    (("dataset", "limit"), 0),
    (("protocol", "context_past"), -1),
    (("protocol", "context"), "future"),
    (("scores", "test", "slices", "short", "weighted_f1"), 33.3),
    (("scores", "test", "slices", "short", "utterances"), -1),
    (("seconds", "training"), -2.5),
    (("seed",), -1),
    (("encoder", "path"), "/home/somebody"),
]


@pytest.mark.parametrize(
    ("where", "value"), BAD_FIELDS, ids=lambda part: ".".join(part) if isinstance(part, tuple) else ""
)
def test_a_field_out_of_range_is_named(tmp_path: Path, where: tuple[str, ...], value: object) -> None:
    """A score that was multiplied by 100, a negative time, a field that is not in the schema: the message names it."""
    data = record_data()
    inner = data
    for name in where[:-1]:
        inner[name] = dict(inner[name])  # the two emotions share one dictionary
        inner = inner[name]
    inner[where[-1]] = value
    with pytest.raises(RecordError, match=rf"field {'.'.join(where)} is not acceptable.*Got "):
        records.read_record(written(tmp_path, data))


REASONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"protocol": {"selection_split": "test"}}, ["selected on test"]),
    ({"recipe": {"ranked": False}}, ["recipe is not ranked"]),
    ({"dataset": {"ranked": False}}, ["sample data"]),
    ({"dataset": {"limit": 4}}, ["limited to 4 dialogues per split"]),
    ({"overrides": {"training.epochs": 1}}, ["changed with --set"]),
]


@pytest.mark.parametrize(
    ("change", "reasons"), REASONS, ids=lambda part: ";".join(part) if isinstance(part, list) else ""
)
def test_a_record_says_why_it_is_not_ranked(change: dict[str, Any], reasons: list[str]) -> None:
    """Each of the five things that keep a run from being ranked does so, and is said in words."""
    data = record_data()
    for name, values in change.items():
        data[name] = {**data[name], **values}
    record = RunRecord.model_validate(data)
    assert record.unranked_reasons == reasons
    assert record.ranked is (not reasons)


SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.just(len(LABELS))),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True),
)


@given(scores=SCORES)
def test_predictions_come_back_bit_for_bit(scores: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every finite float32, the sign of zero included, survives the CSV: a record can be re-scored exactly."""
    path = tmp_path_factory.mktemp("predictions") / "seed-0.predictions.csv"
    uids = tuple(f"talk/test/0/{row}" for row in range(len(scores)))
    text = prediction_files.format_predictions(Predictions(uids, scores), LABELS)
    whole_files.write_atomically(path, text)
    labels, predictions = prediction_files.read_predictions(path)
    assert (labels, predictions.uids) == (LABELS, uids)
    assert predictions.scores.dtype == np.float32
    assert predictions.scores.tobytes() == scores.tobytes()
    assert prediction_files.format_predictions(predictions, labels) == text


BROKEN_TABLES = {
    "empty": "",
    "no uid": "id,neutral,joy\na,1,2\n",
    "short row": "uid,neutral,joy\na,1\n",
    "text": "uid,neutral,joy\na,1,much\n",
    "nan": "uid,neutral,joy\na,1,nan\n",
}


@pytest.mark.parametrize("text", BROKEN_TABLES.values(), ids=BROKEN_TABLES.keys())
def test_broken_predictions_are_refused(tmp_path: Path, text: str) -> None:
    """A predictions file that is not a table of finite scores is an error that names it."""
    path = tmp_path / "seed-0.predictions.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=r"seed-0\.predictions\.csv: cannot read predictions"):
        prediction_files.read_predictions(path)


# ------------------------------------------------------------------------------------------------- earlier versions


def test_a_record_carries_its_own_checksum(tmp_path: Path) -> None:
    """The file ends with it, another layout of the same values is fine, and any other value is refused."""
    path = tmp_path / "seed-3.json"
    record = RunRecord.model_validate(record_data())
    records.write_record(path, record, "uid\n")
    text = path.read_text(encoding="utf-8")
    values = json.loads(text)
    assert list(values)[-1] == "sha256"
    assert records.read_record(path) == record
    path.write_text(json.dumps(dict(sorted(values.items()))), encoding="utf-8")
    assert records.read_record(path) == record
    for changed in ({"seed": 4}, {"track": "full"}, {"sha256": None}, {"sha256": "0" * 64}):
        path.write_text(json.dumps(values | changed), encoding="utf-8")
        with pytest.raises(RecordError, match=r"changed after it was written.*again with --force"):
            records.read_record(path)


def test_a_record_of_version_4_needs_no_checksum(tmp_path: Path) -> None:
    """Files of earlier versions carry none, and are read as they are."""
    record = records.read_record(written(tmp_path, {**record_data(), "schema_version": 4}))
    assert record.schema_version == records.SCHEMA_VERSION


def test_what_a_killed_process_left_of_a_record_goes_with_the_next_try(tmp_path: Path) -> None:
    """Temporary files of this record and of the files beside it, and no others."""
    path, record = tmp_path / "seed-3.json", RunRecord.model_validate(record_data())
    for name in ("seed-3.json", "seed-3.predictions.csv", "seed-30.json"):
        (tmp_path / f".{name}.abc.tmp").write_text("half of")
    records.write_record(path, record, "uid\n")
    names = {".seed-30.json.abc.tmp", "seed-3.json", "seed-3.predictions.csv"}
    assert {file.name for file in tmp_path.iterdir()} == names


def version_1(**changes: Any) -> dict[str, Any]:
    """The record above as schema version 1 had it: no context protocol, no slices, no fingerprints of parts."""
    data = {**record_data(), "schema_version": 1, **changes}
    data["protocol"] = {key: value for key, value in data["protocol"].items() if key != "context"}
    data["dataset"] = {k: v for k, v in data["dataset"].items() if k not in ("split_fingerprints", "files")}
    data["scores"] = {
        split: {key: value for key, value in scores.items() if key != "slices"}
        for split, scores in data["scores"].items()
    }
    return data


def test_a_record_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    """It showed earlier turns and no later ones, and scored no slices; everything else is as it was; the file stays."""
    path = written(tmp_path, version_1())
    before = path.read_bytes()
    record = records.read_record(path)
    assert record.schema_version == records.SCHEMA_VERSION
    assert (record.protocol.context, record.protocol.context_past, record.protocol.context_future) == ("past", 8, 0)
    assert record.scores.dev.slices == record.scores.test.slices == {}
    assert record.dataset.split_fingerprints == record.dataset.files == {}
    assert record.config == {**record_data()["config"], "context.protocol": "past", "context.future": 0}
    assert record.scores.test.weighted_f1 == 2 / 3
    assert path.read_bytes() == before


@pytest.mark.parametrize("broken", [{"config": None}, {"protocol": []}, {"recipe": 3}])
def test_a_broken_record_of_version_1_is_refused(tmp_path: Path, broken: dict[str, Any]) -> None:
    """Bringing it up to date guesses nothing: the field is named as in any other record."""
    data = version_1() | broken
    with pytest.raises(RecordError, match=rf"field {next(iter(broken))} is not acceptable"):
        records.read_record(written(tmp_path, data))


def test_a_run_of_version_1_still_counts_as_done(tmp_path: Path) -> None:
    """The same command finds the record of an earlier ercbench; the same command with another protocol does not."""
    from types import SimpleNamespace

    from ercbench.catalog import load_catalog
    from ercbench.config import resolve
    from ercbench.grid import Request, finished
    from ercbench.preparing import Prepared

    catalog = load_catalog()
    config = resolve(catalog, "eacl", "mini", "meld", {})
    prepared: Any = SimpleNamespace(
        config=config, catalog=catalog, corpus=SimpleNamespace(fingerprint="sha256:" + "0" * 64)
    )
    prepared.cell = lambda seed: Prepared.cell(prepared, seed)
    values = {key: v for key, v in config.values.items() if key not in ("context.protocol", "context.future")}
    path = records.record_path(tmp_path, "meld", "mini", f"eacl@{config.recipe.version}", 3)
    path.parent.mkdir(parents=True)
    beside = {"file": "seed-3.predictions.csv", "sha256": whole_files.sha256_of("uid\n")}
    path.write_text(json.dumps(version_1(config=values, predictions=beside)), encoding="utf-8")
    (path.parent / beside["file"]).write_text("uid\n", encoding="utf-8")
    request = Request(["eacl"], ["meld"], "mini", [3], {}, results=tmp_path)
    found = finished(prepared, 3, request)
    assert found is not None
    assert found[0] == path
    prepared.config = resolve(catalog, "eacl", "mini", "meld", {}, "none")
    assert finished(prepared, 3, request) is None


@pytest.mark.parametrize(
    ("context", "past", "future"),
    [("past", 8, 1), ("none", 1, 0), ("none", 0, 1), ("past", 8, "all"), ("none", "all", 0)],
)
def test_turns_that_the_protocol_does_not_allow_are_refused(
    tmp_path: Path, context: str, past: int | str, future: int | str
) -> None:
    """A record cannot claim a protocol and show more than it allows."""
    data = record_data()
    data["protocol"] |= {"context": context, "context_past": past, "context_future": future}
    with pytest.raises(
        RecordError, match=rf"field protocol .*{context} does not allow {past} earlier and {future} later"
    ):
        records.read_record(written(tmp_path, data))


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ({}, "context:past:8|selection:dev"),
        ({"context_past": "all"}, "context:past:all|selection:dev"),
        ({"context": "none", "context_past": 0}, "context:none|selection:dev"),
        ({"context": "full", "context_past": "all", "context_future": "all"}, "context:full:all+all|selection:dev"),
        ({"context": "full", "context_future": 4, "selection_split": "test"}, "context:full:8+4|selection:test"),
    ],
)
def test_the_signature_tells_what_a_score_is(protocol: dict[str, Any], told: str) -> None:
    """Metric, data with version and fingerprint, context, selection and framework, in one line; a limit too."""
    data = record_data()
    data["protocol"] |= protocol
    head = "weighted_f1|classes:2|data:talk@1|fingerprint:000000000000"
    assert RunRecord.model_validate(data).signature == f"{head}|utterances:8|{told}|ercbench:unknown"
    data["dataset"]["limit"] = 2
    data["environment"]["packages"]["ercbench"] = "0.1.0"
    assert RunRecord.model_validate(data).signature == f"{head}|limit:2|utterances:8|{told}|ercbench:0.1.0"


def test_sealed_predictions_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Uids in order, and a column of label keys per epoch and state."""
    path = tmp_path / "seed-3.sealed.csv"
    columns = {"epoch 1": ("joy", "neutral"), "state 1": ("neutral", "neutral")}
    path.write_text(prediction_files.format_sealed(("talk/test/0/0", "talk/test/0/1"), columns), encoding="utf-8")
    assert prediction_files.read_sealed(path) == (("talk/test/0/0", "talk/test/0/1"), columns)


def test_a_record_of_version_3_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its epochs were trained on all of train, and are otherwise as they were."""
    record = records.read_record(written(tmp_path, {**record_data(), "schema_version": 3}))
    assert record.schema_version == records.SCHEMA_VERSION
    [epoch] = record.training.epochs
    assert (epoch.utterances, epoch.difficulty, epoch.losses) == (None, None, {"ce": 1.1})


def test_a_record_of_version_4_is_brought_up_to_date(tmp_path: Path) -> None:
    """It ran on one process, which encoded all that go together at once."""
    record = records.read_record(written(tmp_path, {**record_data(), "schema_version": 4}))
    assert record.schema_version == records.SCHEMA_VERSION
    assert (record.environment.processes, record.training.epochs[0].chunk) == (1, None)


@pytest.mark.parametrize(("value", "told"), [(8, 8), (None, None), (0, "refused"), ("half", "refused")])
def test_how_many_were_encoded_at_once_is_checked(tmp_path: Path, value: object, told: object) -> None:
    """A number from 1, or null; anything else is named."""
    data = record_data()
    data["training"]["epochs"][0]["chunk"] = value
    path = written(tmp_path, data)
    if told == "refused":
        with pytest.raises(RecordError, match=r"training\.epochs\.0\.chunk is not acceptable"):
            records.read_record(path)
    else:
        assert records.read_record(path).training.epochs[0].chunk == told


def test_a_record_of_version_5_is_brought_up_to_date(tmp_path: Path) -> None:
    """How hard all of train was is not known."""
    record = records.read_record(written(tmp_path, {**record_data(), "schema_version": 5}))
    assert record.schema_version == records.SCHEMA_VERSION
    assert record.training.epochs[0].difficulty_of_train is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("utterances", 0), ("utterances", "many"), ("difficulty", "hard"), ("difficulty_of_train", "hard")],
)
def test_what_a_curriculum_chose_is_checked(tmp_path: Path, field: str, value: object) -> None:
    """Its fields come back as they were written; one that is not acceptable is named."""
    data = record_data()
    data["training"]["epochs"][0] |= {"utterances": 40, "difficulty": 1 / 3, "difficulty_of_train": 0.5}
    [epoch] = records.read_record(written(tmp_path, data)).training.epochs
    assert (epoch.utterances, epoch.difficulty, epoch.difficulty_of_train) == (40, 1 / 3, 0.5)
    data["training"]["epochs"][0][field] = value
    with pytest.raises(RecordError, match=rf"training\.epochs\.0\.{field} is not acceptable"):
        records.read_record(written(tmp_path, data))
