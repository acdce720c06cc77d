"""``import_data`` and ``ercbench data import``: files are checked, then put where `load` reads them."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ercbench_stock.datasets import DATASETS

from ercbench import data
from ercbench.cli.data import data as command
from ercbench.errors import DataError, PluginError, UsageError
from ercbench.fingerprints import file_fingerprint, named_copy
from ercbench.importing import import_data, pickle_problem
from ercbench.reading import Imported, Problem
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, LabelSet

READER = "ercbench_stock.readers.iemocap:read_iemocap"
STOCK = {spec.name: spec for spec in DATASETS}


def toy(**changes: Any) -> DatasetSpec:
    """A data set of three JSON files, each with a name of old."""
    values: dict[str, Any] = {
        "name": "toy",
        "summary": "a toy",
        "family": "toy",
        "version": "1",
        "labels": LabelSet.of({"glad": "glad", "grim": "grim"}),
        "files": {s: tuple(SplitFile(name=f"{n}{s}.json", reader=READER) for n in ("", "old_")) for s in SPLITS},
        "licence": "MIT",
        "source": "https://example.org/toy",
    }
    return DatasetSpec(**{**values, **changes})


def texts(word: str = "kettle", prefix: str = "") -> dict[str, str]:
    """Three files of one dialogue."""
    return {
        f"{prefix}{split}.json": json.dumps([[{"text": f"The {word} of {split}.", "speaker": "Ada", "label": "glad"}]])
        for split in SPLITS
    }


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """A folder as a user brings it."""
    return write(tmp_path / "brought", texts())


def refused(spec: DatasetSpec, path: Path, target: Path, **options: Any) -> str:
    """What is said about a path that cannot be imported; nothing is written."""
    before = sorted(target.rglob("*"))
    with pytest.raises(DataError) as caught:
        import_data(spec, path, target, **options)
    assert sorted(target.rglob("*")) == before
    return str(caught.value)


# ---------------------------------------- copying


def test_files_are_copied_byte_for_byte_and_a_second_time_nothing_is_written(brought: Path, tmp_path: Path) -> None:
    """A byte order mark and line ends stay; the same import again finds everything there."""
    (brought / "dev.json").write_bytes(b"\xef\xbb\xbf" + (brought / "dev.json").read_bytes() + b"\r\n")
    first = import_data(toy(), brought, tmp_path / "data")
    assert sorted(first.written) == ["dev.json", "test.json", "train.json"]
    assert all((first.folder / name).read_bytes() == (brought / name).read_bytes() for name in first.written)
    assert sorted(path.name for path in first.folder.iterdir()) == sorted(first.written)
    again = import_data(toy(), brought, tmp_path / "data")
    assert (again.written, sorted(again.unchanged)) == ((), sorted(first.written))
    assert import_data(toy(), first.folder, tmp_path / "data").written == ()


def test_one_of_the_files_stands_for_its_folder(brought: Path, tmp_path: Path) -> None:
    """Tab completion often ends at a file."""
    assert len(import_data(toy(), brought / "test.json", tmp_path / "data").written) == 3


def test_other_files_of_the_same_name_are_replaced_only_by_force(brought: Path, tmp_path: Path) -> None:
    """All of them are named; files that are the same are not in the way."""
    write(tmp_path / "data" / "toy", texts("ladder") | {"dev.json": texts()["dev.json"]})
    text = refused(toy(), brought, tmp_path / "data")
    assert "train.json, test.json: already there, with other content" in text
    assert "--force" in text
    report = import_data(toy(), brought, tmp_path / "data", force=True)
    assert (sorted(report.written), report.unchanged) == (["test.json", "train.json"], ("dev.json",))
    assert (report.folder / "train.json").read_text() == texts()["train.json"]


def test_a_file_that_would_be_read_instead_is_named(tmp_path: Path) -> None:
    """An import that `load` would not see is refused, with --force too."""
    brought = write(tmp_path / "brought", texts(prefix="old_"))
    write(tmp_path / "data" / "toy", {"dev.json": texts("ladder")["dev.json"]})
    text = refused(toy(), brought, tmp_path / "data", force=True)
    assert "dev.json: would be read instead of old_dev.json" in text


def test_a_link_in_the_way_is_replaced_not_followed(brought: Path, tmp_path: Path) -> None:
    """--force writes into the data folder and nowhere else."""
    outside = tmp_path / "outside.json"
    outside.write_text("mine")
    folder = write(tmp_path / "data" / "toy", {})
    (folder / "dev.json").symlink_to(outside)
    import_data(toy(), brought, tmp_path / "data", force=True)
    assert outside.read_text() == "mine"
    assert not (folder / "dev.json").is_symlink()


# ---------------------------------------- checks


def test_broken_and_foreign_files_are_refused_as_load_refuses_them(brought: Path, tmp_path: Path) -> None:
    """The place is the user's folder, not a temporary one."""
    (brought / "dev.json").write_text(texts()["dev.json"].replace("glad", "gladd"))
    text = refused(toy(), brought, tmp_path)
    assert text.startswith(
        f"Data set 'toy' in {brought} has 1 problem:\n- dev.json, dialogue 0, turn 0: unknown label."
    )
    assert text.endswith("Nothing was written.")


def test_a_known_old_copy_is_named(brought: Path, tmp_path: Path) -> None:
    """Before anything else is said about it."""
    digest = file_fingerprint(brought / "train.json").sha256
    text = refused(toy(known_copies={digest[:8]: "the toy of 1999"}), brought, tmp_path)
    assert "- train.json: is the toy of 1999. The right files: https://example.org/toy." in text


def test_a_file_in_another_encoding_is_described_by_its_reader(brought: Path, tmp_path: Path) -> None:
    """The line, and for MELD the version whose apostrophes are cp1252."""
    (brought / "dev.json").write_bytes(b'[[{"text":\n"caf\xe9"}]]')
    assert "dev.json, line 2: is not UTF-8 text. Got byte 0xe9" in refused(toy(), brought, tmp_path / "data")
    meld = STOCK["meld"].model_copy(update={"expected": {}})
    old = {f"{split}_sent_emo.csv": "Utterance\nIt\u2019s on.\n" for split in SPLITS}
    folder = write(tmp_path / "old", {})
    for name, text in old.items():
        (folder / name).write_bytes(text.encode("cp1252"))
    text = refused(meld, folder, tmp_path / "data")
    assert "train_sent_emo.csv, line 2: is not UTF-8 text" in text
    assert "MELD from before 2020-11-15" in text


def test_a_huge_file_is_refused(brought: Path, tmp_path: Path) -> None:
    """Before it is read into memory."""
    with (brought / "dev.json").open("ab") as file:
        file.truncate(2**29)
    assert "dev.json: is larger than 268435456 bytes." in refused(toy(), brought, tmp_path / "data")


def test_a_folder_without_the_files_is_told_what_was_wanted(tmp_path: Path) -> None:
    """Every known name, and what was found."""
    text = refused(toy(), write(tmp_path / "brought", {"dev.json": "[]"}), tmp_path / "data")
    assert "Found: dev.json." in text
    assert "train.json or old_train.json; dev.json or old_dev.json; test.json or old_test.json" in text


@pytest.mark.parametrize("name", ["toy.zip", "notes.txt"])
def test_a_file_that_is_not_one_of_them_is_refused(tmp_path: Path, name: str) -> None:
    """An archive is to be unpacked; the folder around an arbitrary file is not searched."""
    folder = write(tmp_path / "brought", texts() | {name: "PK"})
    assert f"{name}: is no folder, and no file" in refused(toy(), folder / name, tmp_path / "data")


def test_what_cannot_be_imported_at_all_is_a_usage_error(tmp_path: Path) -> None:
    """A path that is not there, and a data set that comes with its package."""
    with pytest.raises(UsageError, match="no such file or folder"):
        import_data(toy(), tmp_path / "nowhere", tmp_path)
    with pytest.raises(UsageError, match="comes with its package"):
        import_data(STOCK["meld-sample"], tmp_path, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_a_data_error(brought: Path, tmp_path: Path) -> None:
    """A file where the data folder should be, for instance."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(DataError, match=r"data.*import again"):
        import_data(toy(), brought, tmp_path / "data")


# ---------------------------------------- hostile input


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [[1], {"a": 1}, (1, 2), "text", {1}, [], {}])
def test_a_pickle_is_known_by_its_first_bytes(tmp_path: Path, protocol: int, value: Any) -> None:
    """Whatever it is called and whichever protocol it is of, as far as it could be a data set."""
    path = tmp_path / "train.json"
    path.write_bytes(pickle.dumps(value, protocol))
    if protocol >= 2 or isinstance(value, (list, dict)):
        assert pickle_problem(path) is not None


@pytest.mark.parametrize(
    "text", ["[]", '{"a": 1}', "(laughs) No.", "Sr No.,Utterance", "chandler\tHi\tjoy\n", "", "(d"]
)
def test_text_is_not_taken_for_a_pickle(tmp_path: Path, text: str) -> None:
    """The formats that are read, and what they could begin with."""
    path = tmp_path / "train.json"
    path.write_text(text)
    assert pickle_problem(path) is None


@pytest.mark.parametrize("name", ["IEMOCAP_features.pkl", "data.PICKLE", "train.json"])
def test_pickles_are_refused_unopened(brought: Path, tmp_path: Path, monkeypatch: Any, name: str) -> None:
    """By name without a look inside, else by the first bytes; the message says what to bring instead."""

    def forbidden(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a pickle was loaded")

    (brought / name).write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    for function in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, function, forbidden)
    text = refused(toy(), brought / name, tmp_path / "data")
    assert f"- {name}: is a pickle, which can run code hidden in it and is never opened. Bring the files" in text
    if name == "train.json":
        assert "train.json: is a pickle" in refused(toy(), brought, tmp_path / "data")


def test_a_folder_of_pickles_says_so(tmp_path: Path) -> None:
    """Somebody with COSMIC's files is told why they are not taken, for IEMOCAP too."""
    folder = tmp_path / "brought"
    folder.mkdir()
    (folder / "iemocap_features.pkl").write_bytes(b"\x80\x04.")
    for spec in (toy(), STOCK["iemocap"]):
        assert "Found iemocap_features.pkl: pickles are never opened" in refused(spec, folder, tmp_path / "data")


def test_a_link_that_leads_out_of_the_folder_is_not_followed(brought: Path, tmp_path: Path) -> None:
    """An archive of a stranger could name any file of the user's."""
    secret = write(tmp_path / "private", {"secret": texts()["dev.json"]}) / "secret"
    (brought / "dev.json").unlink()
    (brought / "dev.json").symlink_to(secret)
    assert "dev.json: is a link that leads out of the folder." in refused(toy(), brought, tmp_path / "data")
    (brought / "dev.json").unlink()
    (brought / "real.json").write_text(texts()["dev.json"])
    (brought / "dev.json").symlink_to("real.json")
    assert len(import_data(toy(), brought, tmp_path / "data").written) == 3


def test_a_pipe_does_not_hang(brought: Path, tmp_path: Path) -> None:
    """What is no regular file is not there."""
    (brought / "dev.json").unlink()
    os.mkfifo(brought / "dev.json")
    assert "Found: train.json, test.json." in refused(toy(), brought, tmp_path / "data")
    assert "is no folder, and no file" in refused(toy(), brought / "dev.json", tmp_path / "data")


def made_from(path: Path) -> Imported:
    """An importer: what ``made.json`` in the folder says."""
    made = json.loads((path / "made.json").read_text())
    return Imported(made["files"], tuple(Problem(*note) for note in made.get("notes", ())))


@pytest.fixture
def importer(monkeypatch: pytest.MonkeyPatch) -> DatasetSpec:
    """The toy with `made_from` as its importer."""
    monkeypatch.setattr("ercbench.importing.load_target", lambda target: made_from)
    return toy(importer="anywhere:made_from")


def test_an_importer_makes_the_files_where_there_are_none(importer: DatasetSpec, tmp_path: Path) -> None:
    """Its notes are handed on."""
    content = {"files": texts(), "notes": [["a.txt, line 3", "left out."]]}
    report = import_data(importer, write(tmp_path / "raw", {"made.json": json.dumps(content)}), tmp_path / "data")
    assert sorted(report.written) == ["dev.json", "test.json", "train.json"]
    assert [str(note) for note in report.notes] == ["a.txt, line 3: left out."]


@pytest.mark.parametrize("name", ["../train.json", "/tmp/train.json", "other.json", "old_train.json"])
def test_an_importer_cannot_write_elsewhere(importer: DatasetSpec, tmp_path: Path, name: str) -> None:
    """One file per split, under a name of the data set; anything else is the plugin's mistake."""
    folder = write(tmp_path / "raw", {"made.json": json.dumps({"files": {**texts(), name: "x"}})})
    with pytest.raises(PluginError, match="one file per split"):
        import_data(importer, folder, tmp_path / "data")
    assert not (tmp_path / "data").exists()


# ---------------------------------------- the command


def test_the_command_says_what_it_did_and_what_to_do_next(tmp_path: Path) -> None:
    """In words, with counts and the next command, and as JSON."""
    sample = Path(data.data_folder(STOCK["meld-sample"]))
    spec = STOCK["meld-sample"].model_copy(update={"name": "meld", "bundled": None})
    arguments = ["import", "meld", str(sample), "--data-dir", str(tmp_path)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ercbench.catalog.Catalog.get", lambda self, kind, name: spec)
        text = CliRunner().invoke(command, arguments, catch_exceptions=False).output
        again = json.loads(CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False).output)
    assert text.startswith(f"meld: 3 files written to {tmp_path / 'meld'}\n  train_sent_emo.csv\n")
    assert "train: 28 dialogues, 265 turns, 265 labelled\n" in text
    assert "Next: ercbench data doctor meld; ercbench run RECIPE --dataset meld" in text
    assert again["written"] == []
    assert again["unchanged"][0] == "train_sent_emo.csv"
    assert again["fingerprint"] == data.load(STOCK["meld-sample"]).fingerprint


def test_old_meld_is_named_by_its_checksum() -> None:
    """The first digits of the three files before 2020-11-15."""
    for start in ("a94b26fa", "7e306369", "2d3fdb65"):
        assert "MELD before 2020-11-15" in (named_copy(start + "0" * 56, STOCK["meld"].known_copies) or "")
    assert named_copy("d2fa2d65" + "0" * 56, STOCK["meld"].known_copies) is None
