"""``ercbench grid`` from the command line: records, tables, what is refused, what a second call does."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ercbench import executing
from ercbench.cli import cli
from ercbench.errors import ErcbenchError, Problems, RunsFailed, UnknownName, UsageError
from ercbench.records import read_record
from ercbench.statistics import holm

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = ["--recipe", "tfidf-lr", "--dataset", "meld-sample", "--track", "mini", "--limit", "5"]
FACTORS = ["--renderer", "utterance,turns", "--classifier", "logistic-regression,stratified"]
SMALL = ["--set", "classifier.c=[1.0]", "--set", "encoder.windows=[1]"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments: object) -> Result:
    """What the command prints."""
    found = CliRunner().invoke(cli, ["grid", *map(str, arguments)])
    if found.exception is not None and not isinstance(found.exception, SystemExit | ErcbenchError):
        raise found.exception
    return found


def as_json(*arguments: object) -> Any:
    """The same as JSON."""
    found = ran(*arguments, "--json")
    assert found.exit_code == 0, found.exception
    return json.loads(found.stdout)


def refused(*arguments: object) -> ErcbenchError:
    """What is said instead of running anything."""
    found = ran(*arguments)
    assert isinstance(found.exception, ErcbenchError)
    assert not list(Path().rglob("seed-*.json"))
    return found.exception


def test_every_combination_has_its_records_and_its_row(here: Path) -> None:
    """A record per combination and seed, whose overrides say the parts; means are those of the records."""
    content = as_json(*WORDS, *FACTORS, *SMALL, "--seeds", 2)
    [found] = content["grids"]
    assert [one["levels"] for one in found["cells"]] == [
        {"renderer": renderer, "classifier": classifier}
        for renderer in ("utterance", "turns")
        for classifier in ("logistic-regression", "stratified")
    ]
    scores: dict[tuple[str, str], float] = {}
    for cell in found["cells"]:
        records = [read_record(here / one["path"]) for one in cell["records"]]
        assert [record.seed for record in records] == [0, 1]
        for record in records:
            assert {name: record.overrides[f"{name}.name"] for name in cell["levels"]} == cell["levels"]
            assert record.recipe.name == "tfidf-lr"
            assert not record.ranked
        assert cell["dev"] == pytest.approx(fmean(record.scores.dev.weighted_f1 for record in records))
        test = fmean(record.scores.test.weighted_f1 for record in records)
        assert cell["over_seeds"]["mean"] == pytest.approx(test)
        scores[cell["levels"]["renderer"], cell["levels"]["classifier"]] = test
    classifier = found["effects"][1]
    [regression, stratified] = classifier["levels"]
    assert (classifier["factor"], regression["name"], regression["difference"]) == (
        "classifier", "logistic-regression", None,
    )  # fmt: skip
    wanted = [fmean(scores[r, c] for r in ("utterance", "turns")) for c in ("stratified", "logistic-regression")]
    assert stratified["score"]["estimate"] == pytest.approx(wanted[0])
    assert stratified["difference"]["effect"]["estimate"] == pytest.approx(wanted[0] - wanted[1])
    shares = [effect["share"] for effect in found["effects"]]
    assert sum(shares) + found["interactions"] == pytest.approx(1)


def test_every_data_set_has_its_tables(here: Path) -> None:
    """Cells of one data set are not those of another, and p-values are corrected for the differences of both."""
    both = [*WORDS[:2], "--dataset", "meld-sample,iemocap-sample", *WORDS[4:]]
    grids = as_json(*both, "--classifier", "logistic-regression,majority", *SMALL)["grids"]
    assert [one["dataset"] for one in grids] == ["meld-sample", "iemocap-sample"]
    differences = []
    for one in grids:
        for cell in one["cells"]:
            [path] = [record["path"] for record in cell["records"]]
            record = read_record(here / path)
            assert record.dataset.name == one["dataset"]
            assert cell["over_seeds"]["mean"] == pytest.approx(record.scores.test.weighted_f1)
        differences.append(one["effects"][0]["levels"][1]["difference"])
    assert [one["p_holm"] for one in differences] == holm([one["p"] for one in differences])


def test_the_command_of_a_record_makes_it_again(here: Path) -> None:
    """It names the parts, and predicts the same."""
    content = as_json(*WORDS, *FACTORS, *SMALL)
    for cell in content["grids"][0]["cells"]:
        [path] = [here / record["path"] for record in cell["records"]]
        command = shlex.split(read_record(path).command)
        assert command[0] == "ercbench"
        results = here / "again" / path.parents[4].name
        found = CliRunner().invoke(cli, [*command[1:], "--results", str(results), "--quiet"], catch_exceptions=False)
        assert found.exit_code == 0
        [again] = results.rglob("seed-0.json")
        assert read_record(again).predictions.sha256 == read_record(path).predictions.sha256


def test_a_second_call_trains_nothing_and_says_the_same(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a level more, for which only the new combinations are run."""
    first = as_json(*WORDS, *FACTORS, *SMALL)
    ran_again: list[str] = []
    run = executing.run_cell

    def watched(plan: Any, *more: Any) -> Any:
        ran_again.append(plan.results.name.rpartition("-")[0])
        return run(plan, *more)

    monkeypatch.setattr(executing, "run_cell", watched)
    printed = ran(*WORDS, *FACTORS, *SMALL).stdout
    assert "Everything is done." in printed
    assert as_json(*WORDS, *FACTORS, *SMALL) == first
    assert ran_again == []
    as_json(*WORDS, *FACTORS[:3], "logistic-regression,stratified,majority", *SMALL)
    assert ran_again == ["utterance_majority", "turns_majority"]


def test_the_recipes_own_records_are_let_be(here: Path) -> None:
    """What `ercbench run` wrote is where it was, and a board does not see the grid."""
    run = ["run", "tfidf-lr", *WORDS[2:], "--quiet"]
    assert CliRunner().invoke(cli, run, catch_exceptions=False).exit_code == 0
    before = {path: path.read_bytes() for path in here.rglob("seed-0.*") if path.is_file()}
    as_json(*WORDS, *FACTORS, *SMALL)
    assert {path: path.read_bytes() for path in before} == before
    boards = CliRunner().invoke(cli, ["leaderboard", "build"], catch_exceptions=False)
    assert boards.exit_code == 0
    assert "stratified" not in (here / "leaderboards" / "meld-sample.md").read_text()


def test_the_tables_are_printed_and_written(here: Path) -> None:
    """Points on the terminal, the same in Markdown; progress goes over all runs."""
    found = ran(*WORDS, *FACTORS, *SMALL, "--markdown", "grid.md")
    [content] = as_json(*WORDS, *FACTORS, *SMALL)["grids"]
    page = (here / "grid.md").read_text()
    difference = content["effects"][1]["levels"][1]["difference"]
    for text in (found.stdout, page):
        assert f"{100 * difference['effect']['estimate']:+.2f}" in text
        assert f"{difference['p_holm']:.4f}" in text
        assert "Of the variance between combinations: renderer" in text.replace("\n", " ")
    assert page.startswith("# Grid on tfidf-lr\n\n## meld-sample, mini, context past")
    assert "4 to run, 0 done." in found.stdout
    assert "Run 4 of 4, renderer=turns, classifier=stratified: tfidf-lr@2 on meld-sample" in found.stderr


def test_a_combination_that_fails_is_left_out_of_the_tables(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed of it is enough; those of the others are told, the command fails, and the rest is made up for later."""
    run = executing.run_cell

    def unlucky(plan: Any, request: Any, prepared: Any, seed: int, told: Any) -> Any:
        if plan.results.name.startswith("turns_stratified") and seed == 1:
            raise ValueError("no such luck")
        return run(plan, request, prepared, seed, told)

    monkeypatch.setattr(executing, "run_cell", unlucky)
    arguments = [*WORDS, *FACTORS, *SMALL, "--seeds", 2]
    with pytest.raises(ValueError, match="no such luck"):
        ran(*arguments, "--markdown", "grid.md")
    name = "renderer=turns, classifier=stratified"
    assert f"- {name} on meld-sample: seed 1: ValueError: no such luck" in (here / "grid.md").read_text()
    again = ran(*arguments, "--json")
    assert isinstance(again.exception, RunsFailed)
    assert f"- {name}, tfidf-lr@2 on meld-sample, track mini, context past, seed 1: " in str(again.exception)
    [found] = json.loads(again.stdout)["grids"]
    assert [cell["levels"]["classifier"] for cell in found["cells"]] == [
        "logistic-regression", "stratified", "logistic-regression",
    ]  # fmt: skip
    [failed] = found["failed"]
    assert failed["name"] == name
    assert failed["reasons"][0].startswith("seed 1: ValueError: no such luck")
    assert found["effects"][1]["levels"][1]["difference"]["combinations"] == 1
    assert found["interactions"] is None
    monkeypatch.setattr(executing, "run_cell", run)
    [found] = as_json(*arguments, "--retry-failed")["grids"]
    assert (len(found["cells"]), found["failed"]) == (4, [])


def test_where_all_fail_there_are_no_tables(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no page, which might replace an earlier one."""

    def unlucky(*of: Any) -> Any:
        raise ValueError("no such luck")

    monkeypatch.setattr(executing, "run_cell", unlucky)
    found = ran(*WORDS, *FACTORS, *SMALL, "--markdown", "grid.md")
    assert isinstance(found.exception, RunsFailed)
    assert str(found.exception).startswith("4 runs failed")
    assert not Path("grid.md").exists()


def test_combinations_that_predict_the_same_are_told(here: Path) -> None:
    """A renderer beside a classifier that reads no text, which halves what the renderer's table says it is worth."""
    arguments = [*WORDS, *FACTORS[:3], "logistic-regression,majority", *SMALL]
    [found] = as_json(*arguments)["grids"]
    alike = [f"renderer={renderer}, classifier=majority" for renderer in ("utterance", "turns")]
    assert found["alike"] == [alike]
    printed = " ".join(ran(*arguments).stdout.split())
    assert f"The same predictions, whatever tells these apart: {'; '.join(alike)}." in printed


def test_a_dry_run_trains_nothing(here: Path) -> None:
    """And says what would be run."""
    assert "4 to run, 0 done." in ran(*WORDS, *FACTORS, *SMALL, "--dry-run").stdout
    assert not list(here.rglob("seed-*"))


def test_what_cannot_be_run_is_told_at_once(here: Path, tiny_checkpoint: Callable[[str], Path]) -> None:
    """Every combination with its reason, before anything is trained; the rest runs where that is asked for."""
    one = ["--dataset", "meld-sample", "--track", "mini", "--limit", 2, "--set", "training.epochs=1"]
    one += ["--set", f"encoder.checkpoint={tiny_checkpoint('roberta')}", "--encoder", "eacl,transformer"]
    one += ["--loss", "cross-entropy,cross-entropy+anchor-contrastive"]
    said = str(refused(*one))
    assert said.startswith("1 of 4 combinations cannot be run; nothing was started.\n- encoder=transformer, loss=cross")
    assert "this recipe's encoder makes none" in said
    [found] = as_json(*one, "--skip-impossible")["grids"]
    assert len(found["cells"]) == 3
    [left_out] = found["impossible"]
    assert left_out["name"] == "encoder=transformer, loss=cross-entropy+anchor-contrastive"
    by_level = {level["name"]: level for effect in found["effects"] for level in effect["levels"]}
    assert by_level["transformer"]["cells"] == 1
    assert by_level["transformer"]["difference"]["combinations"] == 1
    assert found["interactions"] is None
    printed = " ".join(ran(*one, "--skip-impossible").stdout.split())
    assert "Some combinations are missing: a difference is over those that both levels have" in printed
    assert "Left out, because it cannot be run:" in printed


def test_a_grid_of_nothing_that_can_be_run_lists_every_reason(here: Path) -> None:
    """And not that of one combination, as if it were that of all."""
    said = str(refused(*WORDS, "--loss", "cross-entropy,focal"))
    assert said.startswith("Nothing can be run.\n- loss=cross-entropy on meld-sample: The encoder 'tfidf' is fitted")
    assert "\n- loss=focal on meld-sample: " in said


def test_sparse_features_are_for_classifiers_that_read_them(here: Path) -> None:
    """Known from the specs, and told like anything else."""
    said = refused(*WORDS, "--classifier", "logistic-regression,linear-head,nearest-anchor")
    assert isinstance(said, UsageError)
    assert str(said).count("cannot read the sparse features of the encoder 'tfidf'") == 2


def test_what_is_wrong_with_all_is_told_once(here: Path) -> None:
    """A value that no cell accepts, a name that nothing has, data that are not here."""
    said = refused(*WORDS, *FACTORS, "--set", "training.epoch=1", "--set", "context.past=-1")
    assert isinstance(said, Problems)
    assert str(said).startswith("2 problems")
    assert isinstance(refused(*WORDS, *FACTORS[:3], "logistic,majority"), UnknownName)
    said = refused("--recipe", "tfidf-lr", "--dataset", "meld", "--data-dir", here, *FACTORS)
    assert "lacks its files" in str(said)
    assert said.exit_code == 3


def test_a_place_that_is_taken_is_told(here: Path) -> None:
    """A record on other data in a cell's place is not replaced."""
    as_json(*WORDS, *FACTORS, *SMALL)
    found = ran(*WORDS[:-1], 6, *FACTORS, *SMALL)
    assert isinstance(found.exception, Problems)
    assert "holds a run of other settings" in str(found.exception)
