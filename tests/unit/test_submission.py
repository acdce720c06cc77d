"""Submissions: whole, verified, with nothing in them that no record names, and refused when a record is not right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from recorded import Cell, edited, record

from ercbench import submission
from ercbench.catalog import Catalog, load_catalog
from ercbench.cli import cli
from ercbench.errors import DataError, Problems, RecordError, UsageError
from ercbench.records import read_record
from ercbench.specs import Recipe
from ercbench.submission import submit
from ercbench.verification import Verifier, verify_folder
from ercbench.verification.submitted import Manifest, Submitter

CATALOG = load_catalog()
VERIFIER = Verifier(CATALOG)
EACL = f"eacl@{CATALOG.get(Recipe, 'eacl').version}"
FILE = f"records/meld-sample/mini/{EACL}/seed-0.json"
OTHER = f"records/iemocap-sample/mini/{EACL}/seed-3.json"


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with two records that are right, a kept model, and boards."""
    folder = tmp_path_factory.mktemp("two")
    path = record(folder, Cell())
    unsealed = {"selection.seal_test": False}
    record(folder, Cell(dataset="iemocap-sample", seed=3, overrides=unsealed, limit=4, sealed=False))
    path.with_suffix(".model").mkdir()
    (path.with_suffix(".model") / "model.safetensors").write_bytes(b"weights")
    (folder / "README.md").write_text("# Boards")
    return folder


@pytest.fixture
def results(two: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(two, tmp_path / "results"))


def files(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def beside(record: str, *kinds: str) -> set[str]:
    """The files of a record."""
    return {record, *(record.replace(".json", f".{kind}.csv") for kind in kinds)}


def test_a_submission_holds_what_its_records_name(two: Path, tmp_path: Path) -> None:
    """Records, predictions and sealed files, byte for byte, a manifest and a page; no model, and nothing else."""
    made = submit([two], tmp_path / "out", VERIFIER)
    wanted = beside(FILE, "predictions", "sealed") | beside(OTHER, "predictions")
    assert files(tmp_path / "out") == wanted | {"manifest.json", "README.md"}
    assert all((tmp_path / "out" / name).read_bytes() == (two / name).read_bytes() for name in wanted)
    assert {one.path for one in made.manifest.files} == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_a_submission_is_verified(two: Path, tmp_path: Path) -> None:
    """`ercbench verify` accepts what `ercbench submit` makes."""
    submit([two], tmp_path / "out", VERIFIER)
    report = verify_folder(tmp_path / "out", VERIFIER)
    assert (report.count("verified"), report.findings) == (2, [])


def test_the_manifest_tells_of_every_record(two: Path, tmp_path: Path) -> None:
    """Signature, score, command and reasons of each record, the plugins, who sends it; as JSON it comes back."""
    who = Submitter(name="A. Person", contact="a@example.org")
    made = submit([two], tmp_path / "out", VERIFIER, who).manifest
    assert Manifest.model_validate_json((tmp_path / "out" / "manifest.json").read_text()) == made
    assert made.submitter == who
    [_, entry] = made.records
    found = read_record(two / FILE)
    assert entry.file == FILE
    assert (entry.signature, entry.command) == (found.signature, found.command)
    assert entry.weighted_f1 == found.scores.test.weighted_f1
    assert entry.reasons_not_to_rank == ("sample data",)
    assert [plugin.distribution for plugin in made.plugins] == ["ercbench"]


def test_the_same_runs_give_the_same_bytes(two: Path, tmp_path: Path) -> None:
    """Packing twice, in another order, gives the same folder."""
    submit([two / FILE, two / OTHER], tmp_path / "a", VERIFIER)
    submit([two / OTHER, two / "records", two / FILE], tmp_path / "b", VERIFIER)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert all(
        (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files(tmp_path / "a")
    )


@pytest.mark.parametrize("run", [FILE, "records/meld-sample", f"records/meld-sample/mini/{EACL}"])
def test_a_run_is_a_record_or_a_folder(two: Path, tmp_path: Path, run: str) -> None:
    """A record's path, and any folder above it inside the results folder, name that record."""
    made = submit([two / run], tmp_path / "out", VERIFIER)
    assert [entry.file for entry in made.manifest.records] == [FILE]


def test_the_page_shows_hostile_text_as_text(two: Path, tmp_path: Path) -> None:
    """Nothing in the README that comes from outside is markup, and every command stands in a block."""
    made = submit(
        [two], tmp_path / "out", VERIFIER, Submitter(name="<script>alert(1)</script>", contact="[x](http://y)")
    )
    page = (tmp_path / "out" / "README.md").read_text()
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
    assert not kinds & {"html_block", "html_inline", "link_open", "image"}
    assert "Sent by &lt;script&gt;" in page
    blocks = "".join(token.content for token in tokens if token.type == "fence")
    assert all(f"{entry.command}\n" in blocks for entry in made.manifest.records)
    assert "ercbench verify ." in blocks


def test_faulty_records_are_refused_all_at_once(results: Path, tmp_path: Path) -> None:
    """Everything that is wrong with any of the runs is listed, and nothing is left behind."""
    edited(results / FILE, lambda r: r["scores"]["test"].update(accuracy=0.5))
    (results / OTHER).write_text("{")
    with pytest.raises(RecordError) as caught:
        submit([results], tmp_path / "out", VERIFIER)
    text = str(caught.value)
    assert text.startswith("Nothing was packed: ")
    assert f"- {FILE}: scores.test.accuracy: " in text
    assert f"- {OTHER}: the file: It is not JSON" in text
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("name", ["../../../../../secret.csv", "/etc/passwd", "link.csv"])
def test_a_file_elsewhere_is_never_copied(results: Path, tmp_path: Path, name: str) -> None:
    """A record that names a file outside its folder, or a link to one, is refused, and the file is not read."""
    (tmp_path / "secret.csv").write_text("a secret")
    (results / FILE).with_name("link.csv").symlink_to(tmp_path / "secret.csv")
    edited(results / FILE, lambda r: r["predictions"].update(file=name))
    with pytest.raises(RecordError, match=r"predictions"):
        submit([results / FILE], tmp_path / "out", VERIFIER)
    assert not (tmp_path / "out").exists()


def test_records_that_cannot_be_verified_are_refused(two: Path, tmp_path: Path) -> None:
    """Without the data nothing is packed, unless somebody says that it may be."""
    names = {"meld-sample", "iemocap-sample"}
    catalog = Catalog(CATALOG.plugins, [e for e in CATALOG._entries if e.spec.name not in names])
    with pytest.raises(DataError, match="Nothing was packed: the scores of 2 records could not be computed again"):
        submit([two], tmp_path / "out", Verifier(catalog))
    submit([two], tmp_path / "out", Verifier(CATALOG, with_data=False))
    assert verify_folder(tmp_path / "out", VERIFIER).findings == []


def test_what_is_not_there_is_told_all_at_once(two: Path, tmp_path: Path) -> None:
    """Paths that are no records are named together; a record outside any results folder is refused."""
    (tmp_path / "empty").mkdir()
    loose = tmp_path / "seed-0.json"
    loose.write_text("{}")
    with pytest.raises(Problems) as caught:
        submit([two / "absent.json", tmp_path / "empty", loose], tmp_path / "out", VERIFIER)
    text = str(caught.value)
    assert all(part in text for part in ("absent.json", "empty", "lies in a results folder"))


def test_two_runs_of_one_cell_are_refused(two: Path, results: Path, tmp_path: Path) -> None:
    """Two results folders may hold the same cell; which is meant has to be said."""
    with pytest.raises(UsageError, match="Two records of one cell"):
        submit([two / FILE, results / FILE], tmp_path / "out", VERIFIER)


def test_nothing_is_overwritten(two: Path, tmp_path: Path) -> None:
    """A folder with anything else in it is refused; an earlier submission is replaced with force alone."""
    out = tmp_path / "out"
    submit([two / FILE], out, VERIFIER)
    with pytest.raises(UsageError, match="Replace it with --force"):
        submit([two], out, VERIFIER)
    submit([two / OTHER], out, VERIFIER, force=True)
    assert files(out) == beside(OTHER, "predictions") | {"manifest.json", "README.md"}
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds no earlier one"):
        submit([two], out, VERIFIER, force=True)
    assert (out / "thesis.tex").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_may_be_filled(two: Path, tmp_path: Path) -> None:
    """A folder that was made for it is taken."""
    (tmp_path / "out").mkdir()
    submit([two], tmp_path / "out", VERIFIER)
    assert verify_folder(tmp_path / "out", VERIFIER).findings == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_place_that_is_no_folder_is_refused(two: Path, tmp_path: Path, kind: str) -> None:
    """Neither a file nor a link is replaced."""
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("x")
    else:
        out.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="which is something else"):
        submit([two], out, VERIFIER, force=True)


def test_a_failed_replacement_leaves_the_earlier_one(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fails at the last step, what was there is there again, and nothing lies beside it."""
    out = tmp_path / "out"
    submit([two / FILE], out, VERIFIER)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if Path(target) == out and self.name != "old":
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no space left"):
        submit([two], out, VERIFIER, force=True)
    monkeypatch.undo()
    assert verify_folder(out, VERIFIER).count("verified") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# -------------------------------------------------------------------------------------------------------- the manifest


def manifest(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Change the manifest of a submission."""
    return lambda folder: edited(folder / "manifest.json", edit)


TAMPERINGS: dict[str, tuple[Callable[[Path], object], tuple[str, str]]] = {
    "score edited": (
        manifest(lambda m: m["records"][0].update(weighted_f1=0.99)),
        ("manifest.json", f"records[{OTHER}].weighted_f1"),
    ),
    "signature edited": (
        manifest(lambda m: m["records"][1].update(signature="x")), ("manifest.json", f"records[{FILE}].signature")
    ),
    "command edited": (
        manifest(lambda m: m["records"][1].update(command="rm -r ~")), ("manifest.json", f"records[{FILE}].command")
    ),
    "reasons removed": (
        manifest(lambda m: m["records"][1].update(reasons_not_to_rank=[])),
        ("manifest.json", f"records[{FILE}].reasons_not_to_rank"),
    ),
    "checksum edited": (
        manifest(lambda m: m["files"][0].update(sha256="0" * 64)), ("manifest.json", f"files[{OTHER}].sha256")
    ),
    "file not listed": (manifest(lambda m: m["files"].pop()), ("manifest.json", "files[{last}]")),
    "record not listed": (manifest(lambda m: m["records"].pop()), ("manifest.json", f"records[{FILE}]")),
    "file listed twice": (manifest(lambda m: m["files"].append(m["files"][0])), ("manifest.json", "files")),
    "another file listed": (
        manifest(lambda m: m["files"].append({"path": "/etc/passwd", "sha256": "0", "size": 1})),
        ("manifest.json", "files[/etc/passwd]"),
    ),
    "plugins edited": (manifest(lambda m: m.update(plugins=[])), ("manifest.json", "plugins")),
    "future schema": (manifest(lambda m: m.update(schema_version=2)), ("manifest.json", "schema_version")),
    "unknown field": (manifest(lambda m: m.update(rank=1)), ("manifest.json", "rank")),
    "no JSON": (lambda folder: (folder / "manifest.json").write_text("{"), ("manifest.json", "the file")),
    "behind a link": (
        lambda folder: (
            (folder / "manifest.json").rename(folder.parent / "m"),
            (folder / "manifest.json").symlink_to(folder.parent / "m"),
        ),
        ("manifest.json", "the file"),
    ),
    "something beside": (lambda folder: (folder / "setup.py").write_text("x"), ("setup.py", "the file")),
    "a model": (
        lambda folder: (
            (folder / FILE).with_suffix(".model").mkdir(),
            ((folder / FILE).with_suffix(".model") / "model.safetensors").write_bytes(b"x"),
        ),
        (FILE.replace(".json", ".model/model.safetensors"), "the file"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_with_a_submission_is_named(two: Path, tmp_path: Path, name: str) -> None:
    """What the manifest says, and the folder does not hold, or the other way round, is named by file and field."""
    submit([two], tmp_path / "out", VERIFIER)
    do, (file, field) = TAMPERINGS[name]
    do(tmp_path / "out")
    faults = {(one.file, one.field) for one in verify_folder(tmp_path / "out", VERIFIER).of("fault")}
    last = FILE.replace(".json", ".sealed.csv")
    assert (file, field.replace("{last}", last)) in faults


# ---------------------------------------------------------------------------------------------------------- the command


def test_the_command_packs_and_says_how_to_check(two: Path, tmp_path: Path) -> None:
    """It says what was packed where; with --json it prints the manifest."""
    out = str(tmp_path / "out")
    done = CliRunner().invoke(cli, ["submit", str(two), "--to", out, "--submitter", "A"], catch_exceptions=False)
    assert done.output == f"Packed 2 records into {out}. Check: ercbench verify {out}\n"
    arguments = ["submit", str(two / FILE), "--to", out, "--force", "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert json.loads(done.output) == json.loads((tmp_path / "out" / "manifest.json").read_text())


def test_the_page_is_made_from_the_manifest_alone(two: Path, tmp_path: Path) -> None:
    """So that it can be made again."""
    made = submit([two], tmp_path / "out", VERIFIER)
    assert submission.page(made.manifest) == (tmp_path / "out" / "README.md").read_text()
