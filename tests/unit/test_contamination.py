"""What plugins declare of an encoder's training data is told of the runs whose test set it touches, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from recorded import Cell, edited, record

from ercbench.catalog import Catalog, Entry, Plugin, load_catalog
from ercbench.checkpoint_specs import CheckpointFacts, TrainingData
from ercbench.checkpoints import locate
from ercbench.cli import cli
from ercbench.contamination import contamination, seen
from ercbench.records import RunRecord, read_record
from ercbench.verification import Verifier, verify_folder

CATALOG = load_catalog()
HUB = "hub, revision 0123"


def declaring(*facts: CheckpointFacts) -> Catalog:
    """The installed plugins, and one that declares these facts."""
    plugin = Plugin("another-plugin", "1.0", "main", "module")
    return Catalog(CATALOG.plugins, [*CATALOG._entries, *(Entry(plugin, one) for one in facts)])


def facts(*checkpoints: str, dataset: str = "meld-sample", splits: tuple[str, ...] = ("train",)) -> CheckpointFacts:
    """What a plugin declares of these checkpoints."""
    data = TrainingData.model_validate({"dataset": dataset, "splits": splits, "source": "a paper, section 3"})
    return CheckpointFacts(name="seen", summary="", checkpoints=checkpoints, trained_on=(data,))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one record."""
    folder = tmp_path_factory.mktemp("results")
    record(folder, Cell())
    return folder


def of(made: Path, checkpoint: str, origin: str = HUB, dataset: str = "meld") -> RunRecord:
    """The record, of another encoder and data set."""
    [path] = made.glob("records/*/*/*/*.json")
    found = read_record(path)
    encoder = found.encoder.model_copy(update={"checkpoint": checkpoint, "origin": origin})
    data = found.dataset.model_copy(update={"name": dataset})
    return found.model_copy(update={"encoder": encoder, "dataset": data})


@pytest.mark.parametrize(
    ("checkpoint", "datasets"),
    [
        ("tae898/emoberta-base", {"meld", "iemocap"}),
        ("tae898/EmoBERTa-large", {"meld", "iemocap"}),
        ("j-hartmann/emotion-english-distilroberta-base", {"meld"}),
        ("j-hartmann/emotion-english-roberta-large", {"meld"}),
        ("FacebookAI/roberta-base", set()),
        ("princeton-nlp/sup-simcse-roberta-large", set()),
        ("sentence-transformers/all-MiniLM-L6-v2", set()),
    ],
)
def test_what_is_known_of_encoders_on_the_hub(made: Path, checkpoint: str, datasets: set[str]) -> None:
    """EmoBERTa had seen MELD and IEMOCAP, two emotion classifiers MELD; the encoders of the tracks none of them."""
    names = ("meld", "emorynlp", "emorynlp-declare-lab", "iemocap", "meld-sample", "iemocap-sample")
    told = {name for name in names if contamination(of(made, checkpoint, dataset=name), CATALOG)}
    assert told == datasets


def test_the_sentence_names_checkpoint_data_splits_and_source(made: Path) -> None:
    """A reader learns which weights had seen what, and who says so."""
    [sentence] = contamination(of(made, "tae898/emoberta-base"), CATALOG)
    assert sentence.startswith(
        "tae898/emoberta-base: the weights had been trained on meld (train), to which this test set belongs. Source: "
    )
    [sentence] = contamination(of(made, "j-hartmann/emotion-english-roberta-large"), CATALOG)
    assert "trained on meld, whose test set this is; on which splits is not told. Source: model card" in sentence
    [sentence] = contamination(of(made, "a/b"), declaring(facts("a/b", dataset="meld", splits=("train", "test"))))
    assert "trained on meld (train, test), whose test set this is. Source: a paper, section 3." in sentence


def test_nothing_is_claimed_of_a_local_folder(made: Path) -> None:
    """A folder may be called anything, so a name that some hub id has tells nothing of it."""
    catalog = declaring(facts("*", dataset="meld"))
    assert contamination(of(made, "emoberta-base", "local folder"), catalog) == ()
    assert contamination(of(made, "emoberta-base"), catalog) != ()


def test_a_family_stands_for_its_data_sets_but_not_for_a_sample(made: Path) -> None:
    """Weights trained on one version of a data set had seen the others; a sample only imitates its family."""
    catalog = declaring(facts("a/*", dataset="emorynlp"))
    assert seen(catalog, "a/b", HUB, "emorynlp")
    assert seen(catalog, "a/b", HUB, "emorynlp-declare-lab")
    assert not seen(catalog, "a/b", HUB, "emorynlp-sample")
    assert not seen(catalog, "c/b", HUB, "emorynlp")


def test_a_data_set_that_no_plugin_offers_is_known_by_its_name(made: Path) -> None:
    """Somebody's own data set can be declared as well."""
    assert seen(declaring(facts("a/b", dataset="my-calls")), "a/b", HUB, "my-calls")


def test_a_fact_is_told_once(made: Path) -> None:
    """Two plugins that declare the same give one sentence."""
    assert len(seen(declaring(facts("a/b"), facts("a/*")), "a/b", HUB, "meld-sample")) == 1


@pytest.mark.parametrize("wrong", [{"checkpoints": ()}, {"trained_on": ()}, {"trained_at": "night"}])
def test_facts_that_say_nothing_are_refused(wrong: dict[str, object]) -> None:
    """A declaration names checkpoints, and what they were trained on, and nothing that is no field."""
    with pytest.raises(ValidationError):
        CheckpointFacts.model_validate({**facts("a/b").model_dump(), **wrong})


def test_a_source_is_asked_for() -> None:
    """Nobody is accused without one."""
    with pytest.raises(ValidationError):
        TrainingData.model_validate({"dataset": "meld", "source": ""})


def test_verification_tells_it_as_a_note(made: Path, tmp_path: Path) -> None:
    """A contaminated record may be right in every field; that is said beside it."""
    results = Path(shutil.copytree(made, tmp_path / "results"))
    report = verify_folder(results, Verifier(declaring(facts("sentence-transformers/all-MiniLM-*"))))
    [note] = report.findings
    assert (note.kind, note.field) == ("note", "encoder.checkpoint")
    assert "trained on meld-sample (train), to which this test set belongs" in note.what
    [path] = results.glob("records/*/*/*/*.json")
    edited(path, lambda r: r["encoder"].update(origin="local folder"))
    assert not [one for one in verify_folder(results, Verifier(CATALOG)).findings if one.field == "encoder.checkpoint"]


def test_a_dry_run_tells_it(tiny_checkpoint: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained, the user reads that the weights had seen the test set's data."""
    import ercbench.preparing

    folder = tiny_checkpoint("roberta")  # type: ignore[operator]

    def here(name: str, packaged: object) -> object:
        found = locate(str(folder), [])
        return type(found)(name, found.path, HUB)

    monkeypatch.setattr(ercbench.preparing, "locate", here)
    catalog = declaring(facts("somebody/*"))
    monkeypatch.setattr("ercbench.catalog.load_catalog", lambda **_: catalog)
    arguments = ["run", "eacl", "--dataset", "meld-sample", "--track", "mini", "--limit", "1", "--dry-run"]
    done = CliRunner().invoke(cli, [*arguments, "--set", "encoder.checkpoint=somebody/model"], catch_exceptions=False)
    told = "Contaminated: somebody/model: the weights had been trained on meld-sample (train), to which this test set"
    assert told in done.output
    done = CliRunner().invoke(cli, [*arguments, "--set", "encoder.checkpoint=nobody/model"], catch_exceptions=False)
    assert "Contaminated" not in done.output


def test_the_facts_are_listed() -> None:
    """`ercbench list checkpoints` shows what is declared."""
    done = CliRunner().invoke(cli, ["list", "checkpoints"], catch_exceptions=False)
    assert "emoberta" in done.output
