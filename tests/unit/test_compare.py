"""``ercbench compare``: what is compared with what, what is refused, and that the numbers shown are those computed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from recorded import edited

from ercbench import comparing, scoring, statistics
from ercbench.catalog import load_catalog
from ercbench.cli import cli
from ercbench.cli.compare import compare as command
from ercbench.cli.compare import difference_cells
from ercbench.comparing import Pair, compare_systems
from ercbench.errors import DataError, ErcbenchError, Problems, RecordError, UnknownName, UsageError
from ercbench.gold import Gold, GoldLabels, load_gold
from ercbench.prediction_files import format_predictions
from ercbench.records import RunRecord, read_record, record_path, write_record
from ercbench.specs import DatasetSpec
from ercbench.statistics import Comparison, Interval, dialogue_counts
from ercbench.systems import find_systems, shared_tasks
from ercbench.types import Predictions
from ercbench.whole_files import sha256_of

CATALOG = load_catalog()
GOLD = GoldLabels(CATALOG)


def gold_of(dataset: str) -> Gold:
    """The gold labels of a bundled sample."""
    return load_gold(CATALOG.get(DatasetSpec, dataset), None, None)


def saved(
    results: Path, recipe: str = "a@1", seed: int = 0, accuracy: float = 0.6, dataset: str = "meld-sample", **more: Any
) -> Path:
    """A record with predictions that are right with this probability, as a run would have written it."""
    gold, (name, _, version) = gold_of(dataset), recipe.partition("@")
    labels, rng = gold.labels, np.random.default_rng([seed, *recipe.encode()])
    truth = np.array(list(gold.test.values()))
    guess = np.where(rng.random(len(truth)) < accuracy, truth, rng.integers(0, len(labels), len(truth)))
    predictions = Predictions(tuple(gold.test), np.eye(len(labels), dtype=np.float32)[guess])
    scores = asdict(scoring.score(predictions, gold.test, labels))
    text = format_predictions(predictions, labels.keys)
    corpus = gold.corpus
    data = {"name": corpus.name, "version": corpus.version, "fingerprint": corpus.fingerprint, "ranked": False,
            "utterances": {"train": 1, "dev": 1, "test": len(truth)}}  # fmt: skip
    fields: dict[str, Any] = {
        "recipe": {"name": more.pop("name", name), "version": version, "reference": "A paper", "ranked": True},
        "dataset": data | more.pop("data", {}),
        "track": "mini",
        "seed": seed,
        "command": f"ercbench run {name}",
        "overrides": {},
        "config": {"training.epochs": 8},
        "protocol": {"selection_split": "dev", "context": "past", "context_past": 8, "metric": "m"},
        "encoder": {"checkpoint": "small", "origin": "local folder", "sha256": None, "parameters": 1000},
        "plugins": [],
        "environment": {"device": "cpu", "hardware": "a", "precision": "fp32", "python": "3.11", "packages": {}},
        "training": {"epochs": [], "chosen_epoch": 1, "candidates_dev_weighted_f1": [], "chosen_candidate": 1,
                     "effective_batch": 64, "resumed_after_epochs": []},
        "scores": {"dev": scores, "test": scores},
        "predictions": {"file": f"seed-{seed}.predictions.csv", "sha256": sha256_of(text)},
        "seconds": {},
        "started": "2026-01-01",
    }  # fmt: skip
    record = RunRecord.model_validate(fields | more)
    path = record_path(results, dataset, record.track, recipe, seed, record.protocol.context)
    write_record(path, record, text)
    return path


def seeds(results: Path, recipe: str, many: int = 3, **more: Any) -> Path:
    """Records of several seeds; returns their folder."""
    paths = [saved(results, recipe, seed, **more) for seed in range(many)]
    return paths[0].parent


def ran(*arguments: object) -> Result:
    """What the command prints."""
    return CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)


def found(*arguments: object) -> Any:
    """The same as JSON."""
    return json.loads(ran(*arguments, "--json").stdout)


# Which records


def test_a_name_is_the_newest_version(tmp_path: Path) -> None:
    """Version 10 comes after version 9, and the command says that there were others; a version can be asked for."""
    for version in (1, 9, 10):
        seeds(tmp_path, f"a@{version}", 1)
    seeds(tmp_path, "ab@1", 1)
    newest, nine = find_systems(["a", "a@9"], tmp_path)
    assert (newest.name, nine.name) == ("a@10", "a@9")
    assert newest.notes == ("a has records of the versions 1, 9, 10; the newest is compared.",)
    assert nine.notes == ()
    assert newest.notes[0] in ran("a", "ab", "--results", tmp_path).stdout


def test_records_and_folders_are_systems(tmp_path: Path) -> None:
    """A record, a folder of seeds; the same recipe in another results folder gets a name of its own."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    folder, one = seeds(mine, "a@1"), saved(theirs, "a@1", 7)
    systems = find_systems([str(folder), str(one)], tmp_path)
    assert [system.name for system in systems] == [f"a@1 ({folder})", f"a@1 ({one})"]
    assert [[record.seed for _, record in next(iter(s.tasks.values()))] for s in systems] == [[0, 1, 2], [7]]


def test_only_shared_tasks_are_compared(tmp_path: Path) -> None:
    """Each data set, track and context protocol on its own; what one system alone has is named and left out."""
    full = {"protocol": {"selection_split": "dev", "context": "full", "context_past": 8, "context_future": 8,
                         "metric": "m"}}  # fmt: skip
    for recipe in ("a@1", "b@1"):
        seeds(tmp_path, recipe, 2)
        seeds(tmp_path, recipe, 2, **full)
        seeds(tmp_path, recipe, 2, dataset="iemocap-sample")
    seeds(tmp_path, "a@1", 2, dataset="emorynlp-sample")
    content = found("a", "b", "--results", tmp_path)
    assert [(one["dataset"], one["context"], len(one["pairs"])) for one in content["comparisons"]] == [
        ("iemocap-sample", "past", 1),
        ("meld-sample", "full", 1),
        ("meld-sample", "past", 1),
    ]
    assert content["notes"] == ["emorynlp-sample, mini, context past: only a@1 has records."]
    only = found("a", "b", "--results", tmp_path, "--dataset", "iemocap-sample,emorynlp-sample")
    assert [one["dataset"] for one in only["comparisons"]] == ["iemocap-sample"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"track": "full"}, r"Got track mini \(a@1\), full \(b@1\)\."),
        ({"protocol": {"selection_split": "dev", "context": "none", "context_past": 0, "metric": "m"}},
         r"Got context protocol past \(a@1\), none \(b@1\)\."),
        ({"data": {"fingerprint": "sha256:other"}}, r"Got fingerprint sha256:964c\w+ \(a@1\), sha256:other \(b@1\)\."),
        ({"data": {"version": "2"}}, r"Got data version .* \(a@1\), 2 \(b@1\)\."),
    ],
)  # fmt: skip
def test_what_differs_is_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Records of another track, protocol or content of the data are not compared, and the message says which."""
    saved(tmp_path, "a@1")
    saved(tmp_path, "b@1", **changes)
    with pytest.raises(RecordError, match=said):
        shared_tasks(find_systems(["a", "b"], tmp_path))


def test_systems_with_several_tasks_and_none_in_common(tmp_path: Path) -> None:
    """Then the message lists the tasks of each."""
    saved(tmp_path, "a@1")
    saved(tmp_path, "a@1", dataset="emorynlp-sample")
    saved(tmp_path, "b@1", dataset="iemocap-sample")
    with pytest.raises(RecordError, match=r"a@1: emorynlp-sample, mini, .* / meld-sample, .*; b@1: iemocap-sample, "):
        shared_tasks(find_systems(["a", "b"], tmp_path))


def test_records_that_do_not_belong_together(tmp_path: Path) -> None:
    """Seeds of another configuration, a seed twice, two recipes in a folder: each is refused with what differs."""
    folder = seeds(tmp_path / "config", "a@1", 1)
    saved(tmp_path / "config", "a@1", 1, config={"training.epochs": 9})
    with pytest.raises(
        RecordError, match=r"seed-1\.json: .* another value than in .*seed-0\.json for config\.training\.epochs"
    ):
        find_systems([str(folder)], tmp_path)
    twice = seeds(tmp_path / "twice", "a@1", 2)
    (twice / "seed-01.json").write_bytes((twice / "seed-1.json").read_bytes())
    with pytest.raises(RecordError, match=r"a seed counts once\. Got seed 1 twice for 'a' on meld-sample, mini"):
        find_systems(["a"], tmp_path / "twice")
    two = seeds(tmp_path / "two", "a@1", 1)
    seeds(tmp_path / "two", "b@2", 1)
    with pytest.raises(RecordError, match=r"one version of one recipe\. Got records of a@1, b@2"):
        find_systems([str(two.parent)], tmp_path)


def test_what_is_not_there(tmp_path: Path) -> None:
    """An unknown name suggests near ones; a folder without records and a data set without records are named."""
    path = saved(tmp_path, "eacl@1")
    with pytest.raises(UnknownName, match=r"Got 'eacll'\. Did you mean eacl .*A path needs a slash, such as \./eacll"):
        find_systems(["eacll"], tmp_path)
    with pytest.raises(UnknownName, match="eacl@2"):
        find_systems(["eacl@2"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="There is no record there"):
        find_systems([str(tmp_path / "empty")], tmp_path)
    with pytest.raises(UsageError, match="nowhere"):
        find_systems(["nowhere.json"], tmp_path)
    for asked in ("eacl", str(path)):
        with pytest.raises(UsageError, match=r"on iemocap\. Got records on meld-sample\."):
            find_systems([asked], tmp_path, ["iemocap"])


def test_one_system_is_not_compared(tmp_path: Path) -> None:
    """Neither alone nor with itself."""
    path = saved(tmp_path, "a@1")
    with pytest.raises(UsageError, match="takes two systems"):
        ran("a", "--results", tmp_path)
    with pytest.raises(UsageError, match=r"cannot stand for two systems\. Got .*seed-0\.json for 'a' and for"):
        ran("a", path, "--results", tmp_path)


# What is computed


def counts_of(folder: Path) -> Any:
    """Confusion counts (S, G, C, C) of the records of a folder."""
    from ercbench.prediction_files import read_predictions

    gold = gold_of("meld-sample")
    files = sorted(folder.glob("*.predictions.csv"))
    return np.stack([dialogue_counts(read_predictions(file)[1], gold.test, gold.labels)[1] for file in files])


def test_every_pair_has_the_numbers_of_its_records(tmp_path: Path) -> None:
    """Scores, intervals and p-values are those of `ercbench.statistics`, with Holm's correction over all pairs."""
    folders = {
        name: seeds(tmp_path, name, many, accuracy=accuracy)
        for name, many, accuracy in (("a@1", 3, 0.8), ("b@1", 3, 0.5), ("c@1", 1, 0.2))
    }
    (task,) = found("a", "b", "c", "--results", tmp_path)["comparisons"]
    counts = {name: counts_of(folder) for name, folder in folders.items()}
    for row in task["systems"]:
        records = [read_record(path) for path in sorted(folders[row["name"]].glob("seed-*.json"))]
        scores = [record.scores.test.weighted_f1 for record in records]
        assert row["over_seeds"] == json.loads(json.dumps(asdict(statistics.over_seeds(scores))))
        assert row["over_dialogues"] == asdict(statistics.over_dialogues(counts[row["name"]]))
        assert row["signature"] == records[0].signature
    pairs = task["pairs"]
    assert [(pair["a"], pair["b"]) for pair in pairs] == [("a@1", "b@1"), ("a@1", "c@1"), ("b@1", "c@1")]
    for pair, p_holm in zip(pairs, statistics.holm([pair["p"] for pair in pairs]), strict=True):
        wanted = statistics.compare(counts[pair["a"]], counts[pair["b"]])
        assert {name: pair[name] for name in asdict(wanted)} == asdict(wanted)
        assert (pair["p"], pair["p_holm"]) == (wanted.p, p_holm)
        assert pair["differs"] == (p_holm < 0.05)
    assert pairs[0]["p_seeds"] is not None
    assert pairs[1]["p_seeds"] is None


def test_holm_is_over_all_data_sets_printed(tmp_path: Path) -> None:
    """A second data set makes every p-value larger, or leaves it at 1."""
    for dataset in ("meld-sample", "iemocap-sample"):
        seeds(tmp_path, "a@1", 3, accuracy=0.9, dataset=dataset)
        seeds(tmp_path, "b@1", 3, accuracy=0.2, dataset=dataset)
    (alone,) = found("a", "b", "--results", tmp_path, "--dataset", "meld-sample")["comparisons"]
    both = [one["pairs"][0] for one in found("a", "b", "--results", tmp_path)["comparisons"]]
    assert alone["pairs"][0]["p_holm"] == alone["pairs"][0]["p"]
    assert [pair["p_holm"] for pair in both] == statistics.holm([pair["p"] for pair in both])


def comparison(estimate: float, dialogues: float, swaps: float, of_seeds: float | None) -> Comparison:
    """A comparison with these p-values."""
    return Comparison(Interval(estimate, estimate - 0.01, estimate + 0.01), dialogues, swaps, of_seeds)


@pytest.mark.parametrize(
    ("found", "p_holm", "words"),
    [
        (comparison(-0.02, 0.01, 0.02, 0.03), 0.03,
         "a is 2.00 points below b (95 % interval of the difference -3.00 to -1.00); "
         "the difference is beyond what other test dialogues or other seeds explain."),
        (comparison(0.02, 0.06, 0.02, 0.03), 0.06, "2.00 points above b .*; other test dialogues could explain"),
        (comparison(0.02, 0.02, 0.05, 0.03), 0.05, "; other test dialogues could explain the difference."),
        (comparison(0.02, 0.02, 0.01, 0.3), 0.3, "; other seeds could explain the difference."),
        (comparison(0.02, 0.2, 0.1, 0.3), 0.9, "; other test dialogues or other seeds could explain the difference."),
        (comparison(0.02, 0.02, 0.02, 0.03), 0.09, "; the difference is not beyond chance as one of 3 comparisons."),
        (comparison(0.02, 0.01, 0.02, None), 0.02,
         "; the difference is beyond what other test dialogues explain; of other seeds nothing is known, which takes "
         "two or more of each."),
        (comparison(0.0, 1.0, 1.0, 1.0), 1.0, "a is level with b (95 %"),
    ],
)  # fmt: skip
def test_a_sentence_says_what_the_numbers_say(found: Comparison, p_holm: float, words: str) -> None:
    """Which of the two is ahead, by how much, and what could explain it."""
    sentence = Pair("a", "b", found, p_holm, 3).sentence
    head, _, tail = words.partition(".*")
    assert head in sentence
    assert tail in sentence
    assert sentence.endswith(".")


def test_the_tables_show_points(tmp_path: Path) -> None:
    """The terminal shows what JSON has as fractions, and the sentences."""
    seeds(tmp_path, "a@1", 3, accuracy=0.8)
    seeds(tmp_path, "b@1", 2, accuracy=0.5)
    (task,) = found("a", "b", "--results", tmp_path)["comparisons"]
    printed = ran("a", "b", "--results", tmp_path).stdout
    effect = task["pairs"][0]["effect"]
    assert f"{100 * effect['estimate']:+.2f}" in printed
    assert f"{100 * task['systems'][1]['over_seeds']['mean']:.2f}" in printed
    assert f"{task['pairs'][0]['p_randomisation']:.4f}" in printed
    assert task["pairs"][0]["sentence"] in printed.replace("\n", " ").replace("  ", " ")


def test_names_are_text(tmp_path: Path) -> None:
    """A name from a record is shown as it is: no markup, no control characters that a terminal would obey."""
    path, other = saved(tmp_path, "a@1", name="a[red]\x1b[2J"), saved(tmp_path, "b@1")
    printed = ran(path, other).stdout
    assert "a[red]" in printed
    assert "\x1b" not in printed


# What is refused


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Data that are not here are named once for each data set; predictions that were changed are named too."""
    for recipe in ("a@1", "b@1"):
        saved(tmp_path, recipe)
    file = tmp_path / "records" / "meld-sample" / "mini" / "a@1" / "seed-0.predictions.csv"
    file.write_text(file.read_text().replace("1.0", "0.5", 1))
    with pytest.raises(RecordError, match=r"a@1/seed-0\.predictions\.csv was changed after it was written"):
        compare_systems(find_systems(["a", "b"], tmp_path), GOLD)
    other = file.parents[1] / "b@1" / "seed-0.predictions.csv"
    other.unlink()
    with pytest.raises(Problems, match=r"2 problems.*\n1\..*a@1.*\n2\..*b@1"):
        compare_systems(find_systems(["a", "b"], tmp_path), GOLD)


def test_data_that_are_not_here(tmp_path: Path) -> None:
    """The message says what is missing and where it comes from, once and not for every system."""

    class Nowhere(GoldLabels):
        def of(self, record: RunRecord) -> Gold:
            return load_gold(CATALOG.get(DatasetSpec, "meld"), tmp_path, None)

    for recipe in ("a@1", "b@1"):
        saved(tmp_path, recipe)
    with pytest.raises(DataError, match="Data set 'meld' lacks its files"):
        compare_systems(find_systems(["a", "b"], tmp_path), Nowhere(CATALOG))


def test_a_score_that_the_predictions_do_not_give(tmp_path: Path) -> None:
    """A record whose score was edited is not compared."""
    path = saved(tmp_path, "a@1")
    saved(tmp_path, "b@1")
    score = read_record(path).scores.test.weighted_f1
    edited(path, lambda values: values["scores"]["test"].update(weighted_f1=score + 1e-6))
    with pytest.raises(RecordError, match=r"seed-0\.json: the predictions do not give the score of the record\. Got"):
        compare_systems(find_systems(["a", "b"], tmp_path), GOLD)


def test_errors_end_with_their_exit_code(tmp_path: Path) -> None:
    """On the command line each is one message."""
    saved(tmp_path, "a@1")
    result = CliRunner().invoke(cli, ["compare", "a", "zzz", "--results", str(tmp_path)])
    assert isinstance(result.exception, ErcbenchError)
    assert result.exception.exit_code == 2


def test_a_p_value_is_never_shown_as_nothing() -> None:
    """Four digits, and what is smaller says so; without one the cell is empty."""
    found = Comparison(Interval(0.1, 0.05, 0.15), 1 / 20001, 0.0123, None)
    assert difference_cells(found, 0.0001) == ("+10.00", "+5.00 to +15.00", "< 0.0001", "0.0123", "", "0.0001")


def test_no_torch(tmp_path: Path) -> None:
    """Comparing needs neither torch nor transformers."""
    saved(tmp_path, "a@1")
    saved(tmp_path, "b@1")
    code = (
        "import sys\n"
        "from ercbench.cli import cli\n"
        f"cli(['compare', 'a', 'b', '--results', {str(tmp_path)!r}], standalone_mode=False)\n"
        "print('LOADED', [name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.real_data
def test_the_committed_records(real_data: Path) -> None:
    """Records of the leaderboards can be compared as they are."""
    results = Path(__file__).parents[2] / "leaderboards"
    folders = [results / "records" / "meld" / "mini" / f"eacl@{version}" for version in (1, 2)]
    content = found(*folders, "--data-dir", real_data)
    (task,) = content["comparisons"]
    scores: Mapping[str, float] = {row["name"]: row["over_seeds"]["mean"] for row in task["systems"]}
    assert task["pairs"][0]["effect"]["estimate"] == pytest.approx(scores["eacl@1"] - scores["eacl@2"], abs=1e-12)
    assert comparing.ALPHA == 0.05
