"""``ercbench ablate``: what is switched off, which records are used, and that the table has their numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ercbench import executing, statistics
from ercbench.ablating import ablation_variants, parts_of
from ercbench.catalog import load_catalog
from ercbench.cli import cli
from ercbench.config import resolve
from ercbench.errors import ErcbenchError, RunsFailed, TrainingError, UnknownName, UsageError
from ercbench.grid import Request
from ercbench.records import read_record
from ercbench.specs import DatasetSpec, Recipe, TrackSpec

pytestmark = pytest.mark.usefixtures("one_thread")

CATALOG = load_catalog()
MINI, MELD = CATALOG.get(TrackSpec, "mini"), CATALOG.get(DatasetSpec, "meld")
Checkpoint = Callable[[str], Path]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Checkpoint) -> list[str]:
    """Options for runs of a moment, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    sets = [f"encoder.checkpoint={tiny_checkpoint('roberta')}", "training.epochs=1"]
    return ["--dataset", "meld-sample", "--track", "mini", "--limit", "3", *(w for s in sets for w in ("--set", s))]


def ran(*arguments: object) -> Result:
    """What the command line does."""
    found = CliRunner().invoke(cli, [str(one) for one in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit | ErcbenchError):
        raise found.exception
    return found


def parts(name: str) -> dict[str, Any]:
    """What can be switched off in a recipe."""
    return dict(parts_of(CATALOG, CATALOG.get(Recipe, name), MINI, MELD))


# What is switched off


@pytest.mark.parametrize("track", ["mini", "full"])
@pytest.mark.parametrize("dataset", ["meld", "emorynlp", "iemocap", "meld-sample"])
@pytest.mark.parametrize(
    ("part", "recipe"),
    [
        ("anchors", "eacl-no-anchors"),
        ("separation", "eacl-no-separation"),
        ("adaptation", "eacl-no-adaptation"),
        ("cross-entropy", "eacl-no-ce"),
    ],
)
def test_eacl_without_a_part_is_the_recipe_of_that_name(part: str, recipe: str, dataset: str, track: str) -> None:
    """The paper's four; laid over all values of a track and data set they come to the same."""
    without = resolve(CATALOG, "eacl", track, dataset, parts("eacl")[part])
    assert without.values == resolve(CATALOG, recipe, track, dataset, {}).values


def test_eacl_declares_the_papers_parts() -> None:
    """And with shared context it has the same."""
    assert list(parts("eacl")) == ["anchors", "separation", "adaptation", "cross-entropy"]
    assert parts("eacl-shared") == parts("eacl")


def test_spcl_without_its_contrast_trains_its_encoder_all_the_same() -> None:
    """By cross-entropy, from which the head is detached in SPCL."""
    assert list(parts("spcl")) == ["contrast", "curriculum"]
    without = resolve(CATALOG, "spcl", "mini", "meld", parts("spcl")["contrast"])
    assert (list(without.losses), without.values["encoder.detach_head"]) == (["cross-entropy"], False)
    assert resolve(CATALOG, "spcl", "mini", "meld", parts("spcl")["curriculum"]).curriculum is None


def test_a_recipe_that_declares_none_loses_each_of_its_losses() -> None:
    """Where it has several."""
    assert parts("supcon-ce") == {
        "cross-entropy": {"losses.cross-entropy": None}, "supcon": {"losses.supcon": None},
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"nothing to switch off\. Got 'focal', whose losses are: focal,"):
        parts("focal")
    with pytest.raises(UsageError, match="whose losses are: none"):
        parts("tfidf-lr")


def test_what_is_switched_off_stays_off() -> None:
    """Whatever `--set` says of it; other values hold for all variants."""
    sets: dict[str, Any] = {"losses.separation.weight": 0.5, "classifier.name": "linear-head", "training.epochs": 1}
    request = Request(["eacl"], ["meld"], "mini", [0], sets, results=Path("r"))
    [found] = ablation_variants(CATALOG, request, ["separation", "adaptation"]).values()
    whole, separation, adaptation = (
        resolve(CATALOG, "eacl", "mini", variant.dataset, variant.overrides) for variant in found
    )
    assert whole.losses["separation"].weight == 0.5
    assert "separation" not in separation.losses
    assert adaptation.classifier.spec.name == "nearest-anchor"
    assert [config.training.epochs for config in (whole, separation, adaptation)] == [1, 1, 1]
    assert len({variant.results for variant in found}) == 3


def test_an_unknown_part_is_told_with_those_there_are() -> None:
    """As everywhere."""
    request = Request(["eacl"], ["meld"], "mini", [0], {})
    with pytest.raises(UnknownName, match=r"Unknown part\. Got 'separaton'\. Did you mean separation"):
        ablation_variants(CATALOG, request, ["separaton"])


# The command


def test_every_part_has_its_row(tiny: list[str], tmp_path: Path) -> None:
    """The full method first, then each part with its difference to it, as the records have them."""
    found = ran("ablate", "eacl", *tiny, "--seeds", 2, "--json")
    assert found.exit_code == 0, found.exception
    [content] = json.loads(found.stdout)["ablations"]
    names = ["the full method", *(f"without {part}" for part in parts("eacl"))]
    assert [row["name"] for row in content["rows"]] == names
    means = {}
    for row in content["rows"]:
        records = [read_record(tmp_path / one["path"]) for one in row["records"]]
        means[row["name"]] = row["over_seeds"]["mean"]
        assert means[row["name"]] == pytest.approx(sum(r.scores.test.weighted_f1 for r in records) / 2)
        assert row["dev"] == pytest.approx(sum(r.scores.dev.weighted_f1 for r in records) / 2)
    for pair in content["differences"]:
        assert pair["b"] == "the full method"
        assert pair["effect"]["estimate"] == pytest.approx(means[pair["a"]] - means[pair["b"]])
    told = content["differences"]
    assert [pair["p_holm"] for pair in told] == statistics.holm([pair["p"] for pair in told])


def test_the_records_of_the_full_method_are_used(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that `ercbench run` wrote; a second call runs nothing."""
    assert ran("run", "supcon-ce", *tiny, "--quiet").exit_code == 0
    names: list[str] = []
    run = executing.run_cell

    def watched(plan: Any, *more: Any) -> Any:
        names.append(plan.results.name.rpartition("-")[0])
        return run(plan, *more)

    monkeypatch.setattr(executing, "run_cell", watched)
    first = ran("ablate", "supcon-ce", *tiny, "--markdown", "ablation.md")
    assert first.exit_code == 0, first.exception
    assert "the full method on meld-sample: done already" in first.stdout
    assert "Note: classifier.name: linear-head decides by logits, which no loss trains." in first.stdout
    assert names == ["cross-entropy", "supcon"]
    again = ran("ablate", "supcon-ce", *tiny)
    assert "Everything is done." in again.stdout
    note = "Note on without cross-entropy: classifier.name: linear-head decides by logits, which no loss trains."
    assert all(note in " ".join(one.stdout.split()) for one in (first, again))
    assert note in Path("ablation.md").read_text()
    assert names == ["cross-entropy", "supcon"]
    rows = [line.split("|")[1].strip() for line in Path("ablation.md").read_text().splitlines() if "|" in line]
    assert [row for row in rows if row.strip(":-")] == ["the full method", "- cross-entropy", "- supcon"]
    for text in (first.stdout, again.stdout):
        assert "without supcon is " in " ".join(text.split())


def test_some_parts_alone(tiny: list[str]) -> None:
    """Holm's correction is for those that are told."""
    found = ran("ablate", "supcon-ce", *tiny, "--part", "supcon", "--json")
    [content] = json.loads(found.stdout)["ablations"]
    [pair] = content["differences"]
    assert pair["p_holm"] == pair["p"]


@pytest.mark.parametrize("failing", ["supcon", "whole"])
def test_what_fails_is_left_out(tiny: list[str], monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """A part has no row; without the whole there is nothing that a part could be set against."""
    run = executing.run_cell

    def unlucky(plan: Any, *more: Any) -> Any:
        if (plan.results.name.rpartition("-")[0] or "whole") == failing:
            raise TrainingError("No such luck.")
        return run(plan, *more)

    monkeypatch.setattr(executing, "run_cell", unlucky)
    found = ran("ablate", "supcon-ce", *tiny, "--json")
    assert isinstance(found.exception, TrainingError)
    if failing == "whole":
        assert found.stdout == ""
        return
    [content] = json.loads(found.stdout)["ablations"]
    assert [row["name"] for row in content["rows"]] == ["the full method", "without cross-entropy"]
    assert content["failed"] == [{"name": "without supcon", "reasons": ["seed 0: No such luck."]}]
    again = ran("ablate", "supcon-ce", *tiny)
    assert isinstance(again.exception, RunsFailed)
    assert "- without supcon on meld-sample: seed 0: No such luck." in again.stdout


def test_what_is_switched_off_already_is_told(tiny: list[str], tmp_path: Path) -> None:
    """The variant would be the whole once more."""
    said = str(ran("ablate", "supcon-ce", *tiny, "--set", "losses.supcon=null").exception)
    assert said.startswith("supcon-ce without supcon is what --set makes of it on meld-sample already.")
    assert not list(tmp_path.rglob("seed-*"))


def test_what_is_wrong_with_the_whole_is_no_matter_of_its_parts(tiny: list[str]) -> None:
    """A setting that there is not, told as `ercbench run` tells it."""
    found = ran("ablate", "supcon-ce", *tiny, "--set", "losses.supcon.temprature=0.5")
    assert isinstance(found.exception, UsageError)
    assert str(found.exception).startswith("losses.supcon.temprature is no setting. It is set by: --set.")


def test_a_method_that_cannot_be_without_a_part_says_so(tiny: list[str], tmp_path: Path) -> None:
    """Before anything is trained."""
    (tmp_path / "needy.py").write_text(
        "from ercbench import Recipe, hookimpl\n"
        "ERCBENCH_API = 1\n\n"
        "@hookimpl\n"
        "def ercbench_recipes():\n"
        "    return [Recipe(name='needy', version='1', summary='Needs it.', reference='None', base='ce-context',\n"
        "                   values={}, ablations={'head': {'encoder': None, 'encoder.name': 'tfidf'}})]\n"
    )
    found = ran("ablate", "needy", "--plugin", "needy.py", *tiny[:6])
    assert isinstance(found.exception, UsageError)
    assert "needy cannot be run without some of its parts; nothing was started." in str(found.exception)
    assert "without head on meld-sample: " in str(found.exception)
    assert not list(tmp_path.rglob("seed-*"))
