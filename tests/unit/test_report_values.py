"""What a report says: every number against a slow computation of its own, every wrong input by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import gold_of, guesses, keep_vectors, made_data, made_run
from sklearn.metrics import f1_score

from ercbench.catalog import Catalog
from ercbench.errors import DataError, Problems, RecordError, UsageError
from ercbench.report import curves, emotions, overview, plots, slice_scores, space, trust, vectors, versus
from ercbench.report.blocks import Beside, Block, Facts, Figures, Mistakes, Paragraph, Part, Report, Table
from ercbench.report.build import build
from ercbench.report.calibration import calibration
from ercbench.report.find import by_data, by_system, find, names
from ercbench.report.gather import gather
from ercbench.report.similar import confused, most_confused, similar_pairs
from ercbench.report.text import count, probability, share, shortened
from ercbench.report.versus import right

NO_PLUGINS = Catalog([], [])
PLOTS = {"emotion_bars", "heat_map", "forest", "reliability", "curves", "plane", "differences"}


def silent(line: str) -> None:
    """Nobody is told."""


def report_on(data: Path | None, *paths: Path, text: bool = True) -> Report:
    """A report with the data in the folder that is named."""
    return build(NO_PLUGINS, paths, data.parent if data else None, text, silent)


def part(parent: Report | Part, *titles: str) -> Part:
    """The part below that is called so."""
    for title in titles:
        [parent] = [one for one in parent.parts if one.title == title]
    assert isinstance(parent, Part)
    return parent


def tables(found: Part) -> dict[str, Table]:
    """Tables of a part by caption, those beside and behind plots too."""

    def of(block: Block) -> list[Table]:
        match block:
            case Table():
                return [block]
            case Beside(figure, blocks):
                return [figure.table, *(one for one in blocks if isinstance(one, Table))]
            case Figures(figures):
                return [figure.table for figure in figures]
            case _:
                return []

    return {table.caption: table for block in found.blocks for table in of(block)}


def data_part(report: Report) -> Part:
    """The only data set of a report."""
    [found] = report.parts
    return found


@pytest.fixture(scope="module", autouse=True)
def _no_pictures() -> Iterator[None]:
    """Plots are drawn in the tests of the page; here they would only take time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (overview, versus, emotions, slice_scores, trust, space, curves):
            for name in PLOTS & vars(module).keys():
                patch.setattr(module, name, lambda *values: "")
        for name in PLOTS:
            patch.setattr(plots, name, lambda *values: "")
        yield


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set that the runs are about."""
    return made_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def runs(talk: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two systems, the first with three seeds, the second with two."""
    results = tmp_path_factory.mktemp("results")
    first = [made_run(results, talk, seed, 0.6) for seed in (0, 1, 2)]
    return [*first, *(made_run(results, talk, seed, 0.4, recipe__name="other") for seed in (0, 1))]


@pytest.fixture(scope="module")
def report(talk: Path, runs: list[Path]) -> Report:
    """The report on them."""
    return report_on(talk, *runs)


# ---------------------------------------- single numbers


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=60))
def test_calibration_is_what_a_loop_gives(predictions: list[tuple[float, bool]]) -> None:
    """Ten bins of equal width; the error is the distance of each bin's means, weighted by what it holds."""
    found = calibration(np.array([p for p, _ in predictions]), np.array([r for _, r in predictions]))
    edges, bins = np.linspace(0, 1, 11), []
    for low, high in pairwise(edges):
        held = [(p, r) for p, r in predictions if low < p <= high]
        if held:
            bins.append((sum(p for p, _ in held) / len(held), sum(r for _, r in held) / len(held), len(held)))
    assert found.counts.tolist() == [held for _, _, held in bins]
    np.testing.assert_allclose(found.confidence, [said for said, _, _ in bins])
    np.testing.assert_allclose(found.right, [was for _, was, _ in bins])
    error = sum(abs(said - was) * held for said, was, held in bins) / len(predictions)
    assert found.error == pytest.approx(error)


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ("neutral excited frustrated sad happy angry", {"happy excited", "angry frustrated", "sad neutral"}),
        ("anger disgust fear joy sadness surprise neutral", {"anger disgust", "fear surprise", "sadness neutral"}),
        ("joyful neutral powerful mad scared peaceful sad", {"mad scared", "joyful powerful", "peaceful neutral"}),
        ("Hungry thirsty", set()),
    ],
)
def test_similar_emotions_are_known_by_their_words(words: str, pairs: set[str]) -> None:
    """The pairs that the papers on the three usual data sets speak of; words that nobody lists have none."""
    labels = words.split()
    found = {f"{labels[one]} {labels[other]}" for one, other in similar_pairs(labels)}
    assert pairs <= found
    assert bool(found) == bool(pairs)


def test_confusion_of_a_pair() -> None:
    """Counts there and back as shares of the gold label; none where nothing carries it; the worst pairs first."""
    counts = np.array([[5, 3, 2], [1, 9, 0], [0, 0, 0]], dtype=float)
    found = confused(counts, 0, 1)
    assert (found.count, found.share, found.back_count, found.back_share) == (3, 0.3, 1, 0.1)
    assert confused(counts, 2, 0).share is None
    assert [(pair.one, pair.other) for pair in most_confused(counts)] == [(0, 1), (0, 2)]


def test_numbers_as_text() -> None:
    """Means of counts have a decimal, shares are per cent, tiny p-values are not zero, long names are cut."""
    assert [count(12.0), count(1234.5)] == ["12", "1,234.5"]
    assert [share(0.70414), share(None)] == ["70.4%", "-"]
    assert [probability(0.0002), probability(0.05)] == ["< 0.001", "0.050"]
    assert shortened("a very long\u202e word", 8) == "a very \N{HORIZONTAL ELLIPSIS}"


# ---------------------------------------- what a report says of runs


def test_scores_are_means_over_seeds(report: Report, talk: Path, runs: list[Path]) -> None:
    """The table of scores has mean and standard deviation of the records, and an interval around the mean."""
    values = [json.loads(path.read_text())["scores"]["test"]["weighted_f1"] for path in runs[:3]]
    row = tables(part(data_part(report), "Scores"))["Scores on test, x 100"].rows[0]
    assert row[:3] == ("method@1", "3", f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}")
    low, high = map(float, row[3].split(" to "))
    assert low < 100 * np.mean(values) < high


def test_emotions_and_confusion_come_from_the_predictions(report: Report, talk: Path) -> None:
    """F1 per emotion and confusion counts are those of predictions counted one by one."""
    gold = gold_of(talk)
    truth = list(gold.test.values())
    guess = [guesses(gold, seed, 0.6).scores.argmax(axis=1) for seed in (0, 1, 2)]
    f1 = np.mean([f1_score(truth, one, average=None) for one in guess], axis=0)
    method = part(data_part(report), "method@1")
    [found] = tables(part(method, "Emotions")).values()
    assert [row[0] for row in found.rows] == list(gold.labels.texts)
    assert [row[3].split(" ")[0] for row in found.rows] == [f"{100 * value:.2f}" for value in f1]
    matrix = next(table for table in tables(part(method, "Confusion")).values() if len(table.rows[0]) == 7)
    both = sum(t == 0 and g == 1 for one in guess for t, g in zip(truth, one, strict=True)) / 3
    assert matrix.rows[0][2].startswith(count(round(both, 6)) + " (")


def test_slices_are_those_of_the_records(report: Report, talk: Path, runs: list[Path]) -> None:
    """Cut anew from the data, they have the scores that the run found; without the data the records tell them."""
    [anew] = tables(part(data_part(report), "other@1", "Slices")).values()
    [told] = tables(part(data_part(report_on(None, *runs)), "other@1", "Slices")).values()
    assert [row[:3] for row in anew.rows] == [row[:3] for row in told.rows]
    assert all(" to " in row[3] for row in anew.rows)
    assert all(row[3] == "-" for row in told.rows)


def test_right_and_wrong_are_counted_over_pairs_of_seeds(report: Report, talk: Path, runs: list[Path]) -> None:
    """The mean over every pair of a seed of one system with a seed of the other, as a loop counts it."""
    [section] = gather(NO_PLUGINS, find(runs), talk.parent, silent)
    gold = section.gold
    assert gold is not None
    first, second = section.systems
    hits = [
        [run.predictions.scores.argmax(1) == list(gold.test.values()) for run in one.runs] for one in (first, second)
    ]
    pairs = [(a & ~b).sum() for a in hits[0] for b in hits[1]]
    found = tables(part(data_part(report), "Against each other"))
    [row] = next(table for caption, table in found.items() if caption.startswith("Test utterances")).rows
    assert row[3] == count(round(float(np.mean(pairs)), 6))
    assert right(first, gold.test).sum() == pytest.approx(np.mean([one.sum() for one in hits[0]]))
    assert sum(float(cell) for cell in row[1:]) == pytest.approx(len(gold.test), abs=0.3)


def test_the_first_system_is_what_others_are_set_against(talk: Path, runs: list[Path]) -> None:
    """Named in another order, differences change their sign."""
    forth, back = (
        tables(part(data_part(report_on(talk, *order)), "Against each other")) for order in (runs, runs[::-1])
    )
    one, other = (next(t for c, t in found.items() if c.startswith("Weighted F1 minus")) for found in (forth, back))
    assert float(one.rows[0][1]) == -float(other.rows[0][1])


def test_mistakes_are_the_most_confident_ones(talk: Path, runs: list[Path]) -> None:
    """Wrong by mean probability over seeds, the surest first, with two turns before them."""
    [section] = gather(NO_PLUGINS, find(runs[:3]), talk.parent, silent)
    gold = section.gold
    assert gold is not None
    scores = [run.predictions.scores.astype(float) for run in section.systems[0].runs]
    mean = np.mean([np.exp(one) / np.exp(one).sum(1, keepdims=True) for one in scores], axis=0)
    wrong = [(-mean[n].max(), uid) for n, (uid, label) in enumerate(gold.test.items()) if mean[n].argmax() != label]
    [found] = part(data_part(report_on(talk, *runs[:3])), "method@1", "Most confident mistakes").blocks
    assert isinstance(found, Mistakes)
    assert [one.uid for one in found.mistakes] == [uid for _, uid in sorted(wrong)[:20]]
    assert found.mistakes[0].probability == f"{-100 * sorted(wrong)[0][0]:.1f}%"
    texts = {u.uid: u.text for dialogue in gold.corpus.test for u in dialogue.utterances}
    for one in found.mistakes:
        place, turn = one.uid.rsplit("/", 1)
        shown = [texts[f"{place}/{number}"] for number in range(max(0, int(turn) - 2), int(turn) + 1)]
        assert [turn.text for turn in one.turns] == shown
        assert [turn.target for turn in one.turns] == [False] * (len(shown) - 1) + [True]


# ---------------------------------------- vectors


def test_nearness_is_what_a_loop_gives(talk: Path, tmp_path: Path) -> None:
    """The share of vectors that are nearest to their own label vector, and the mean cosine to it."""
    path = made_run(tmp_path, talk)
    keep_vectors(path)
    [section] = gather(NO_PLUGINS, find([path]), talk.parent, silent)
    kept = vectors.read_vectors(section.systems[0].runs[0])
    assert kept is not None
    assert kept.prototypes is not None
    assert section.gold is not None
    cosines = [
        [float(v @ p) / float(np.linalg.norm(v) * np.linalg.norm(p)) for p in kept.prototypes] for v in kept.test
    ]
    of_first = [row for row, label in zip(cosines, section.gold.test.values(), strict=True) if label == 0]
    found = tables(part(data_part(report_on(talk, path)), "method@1", "Test vectors"))
    row = found["Mean cosine of the vectors of each emotion to the label vectors"].rows[0]
    assert row[1] == str(len(of_first))
    assert row[2] == f"{np.mean([one[0] for one in of_first]):.2f}"
    assert row[5] == f"{100 * np.mean([np.argmax(one) == 0 for one in of_first]):.1f}%"


def test_a_layout_is_the_same_every_time() -> None:
    """PCA and t-SNE of the same vectors put them in the same places; label vectors come last."""
    chance = np.random.default_rng(0)
    found = vectors.Vectors(chance.normal(size=(30, 5)).astype("f4"), chance.normal(size=(4, 5)).astype("f4"))
    once, again = vectors.layouts(found), vectors.layouts(found)
    assert list(once) == ["PCA", "t-SNE"]
    for method in once:
        assert once[method].points.shape == (34, 2)
        np.testing.assert_array_equal(once[method].points, again[method].points)


@pytest.mark.parametrize("test", [np.zeros((3, 4)), np.ones((20, 4)), np.zeros((20, 4)), np.ones((20, 1))])
def test_too_few_or_equal_vectors_have_no_picture(test: np.ndarray) -> None:
    """There is nothing to see, and no warning from a library."""
    assert vectors.layouts(vectors.Vectors(test.astype(np.float32), None)) == {}


def _spoil(folder: Path) -> None:
    file = folder / "vectors.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")


def _not_json(folder: Path) -> None:
    (folder / "model.json").write_text("{", encoding="utf-8")


def _of_another_run(folder: Path) -> None:
    text = (folder / "model.json").read_text(encoding="utf-8")
    fields = json.loads(text) | {"predictions_sha256": "0" * 64}
    (folder / "model.json").write_text(json.dumps(fields), encoding="utf-8")


@pytest.mark.parametrize("damage", [_spoil, _not_json, _of_another_run])
def test_damaged_vectors_are_refused(talk: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """The message names the folder; nothing is drawn from what does not belong to the record."""
    path = made_run(tmp_path, talk)
    keep_vectors(path)
    damage(path.with_suffix(".model"))
    with pytest.raises(RecordError, match=r"seed-0\.model"):
        report_on(talk, path)


# ---------------------------------------- what it is made from


def test_systems_are_called_by_what_tells_them_apart(talk: Path, tmp_path: Path) -> None:
    """The recipe alone where that will do; else the track, what was set, the settings that differ."""
    paths = [
        made_run(tmp_path / "a", talk),
        made_run(tmp_path / "b", talk, track="full"),
        made_run(tmp_path / "c", talk, overrides={"training.epochs": 5}),
        made_run(tmp_path / "d", talk, config={"training.epochs": 4}),
    ]
    [records] = by_data(find(paths))
    systems = [group[0][1] for group in by_system(records)]
    assert names(systems[:1]) == ["method@1"]
    assert names(systems[:2]) == ["method@1, track mini", "method@1, track full"]
    assert names([systems[0], systems[2]]) == ["method@1", "method@1, with training.epochs=5"]
    assert names([systems[0], systems[3]]) == ["method@1, training.epochs=3", "method@1, training.epochs=4"]


def test_records_and_folders_may_be_mixed(runs: list[Path]) -> None:
    """A record that is named twice, or lies in a folder that is named too, counts once."""
    assert len(find([runs[0], runs[0].parent, runs[0]])) == 3


def test_every_bad_path_is_named(tmp_path: Path) -> None:
    """A missing path, a folder without records and a file that is none are reported together."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.json").write_text("{}")
    with pytest.raises(UsageError, match="There is no record there"):
        find([tmp_path / "nothing"])
    with pytest.raises(Problems, match=r"(?s)nothing.*empty.*note\.json"):
        find([tmp_path / "nothing", tmp_path / "empty", tmp_path / "note.json"])


def test_two_records_of_one_seed_are_refused(talk: Path, tmp_path: Path) -> None:
    """They would be averaged as if they were two seeds."""
    with pytest.raises(RecordError, match="same seed"):
        report_on(talk, made_run(tmp_path / "a", talk), made_run(tmp_path / "b", talk))


def test_damaged_predictions_are_refused_by_name(talk: Path, tmp_path: Path) -> None:
    """Changed, or gone: the message names the file."""
    path = made_run(tmp_path, talk)
    file = path.with_name("seed-0.predictions.csv")
    file.write_text(file.read_text().replace("1", "2", 1))
    for data in (talk, None):
        with pytest.raises(RecordError, match=r"seed-0\.predictions\.csv"):
            report_on(data, path)
    file.unlink()
    with pytest.raises(RecordError, match=r"seed-0\.predictions\.csv"):
        report_on(talk, path)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("scores__test__confusion", [[1] * 5] * 5, "not those of its predictions"),
        ("scores__test__confusion", [[1] * 5] * 4, "confusion"),
        ("training__prototype_similarity", {"before": [[1.0]], "after": [[1.0]]}, "prototype_similarity"),
        ("scores__dev__per_class", {}, r"dev\.per_class"),
    ],
)
def test_a_record_that_cannot_be_so_is_refused(
    talk: Path, tmp_path: Path, field: str, value: object, match: str
) -> None:
    """Scores that the predictions do not give, and tables of another size than the labels ask for."""
    with pytest.raises(RecordError, match=match):
        report_on(talk, made_run(tmp_path, talk, **{field: value}))


def test_without_the_data_nothing_is_said_of_gold_labels(talk: Path, runs: list[Path]) -> None:
    """No mistakes, no calibration, no intervals over dialogues; it says so, and whoever runs it is told why."""
    told: list[str] = []
    report = build(NO_PLUGINS, runs, None, True, told.append)
    assert [line for line in told if "no gold labels" in line]
    assert not report.has_text
    system = part(data_part(report), "method@1")
    for title in ("Calibration", "Most confident mistakes"):
        [note] = part(system, title).blocks
        assert isinstance(note, Paragraph)
        assert note.kind == "note"
    assert tables(part(data_part(report), "Scores"))["Scores on test, x 100"].rows[0][3] == "-"
    assert tables(part(system, "Emotions"))


def test_data_that_were_named_must_be_there(talk: Path, runs: list[Path], tmp_path: Path) -> None:
    """What was asked for with --data-dir is an error where it cannot be had; other data are one too."""
    with pytest.raises(DataError, match="talk"):
        build(NO_PLUGINS, runs, tmp_path, True, silent)
    made_data(tmp_path, text="other words")
    with pytest.raises(RecordError, match="another content"):
        build(NO_PLUGINS, runs, tmp_path, True, silent)


def test_data_sets_stand_apart(talk: Path, runs: list[Path], tmp_path: Path) -> None:
    """Records on two data sets are two parts, and nothing is compared between them."""
    second = made_data(talk.parent, "calls")
    report = report_on(talk, runs[0], made_run(tmp_path, second))
    assert [one.title.split(",")[0] for one in report.parts] == ["talk", "calls"]
    assert not any(inner.title == "Against each other" for one in report.parts for inner in one.parts)


def test_what_ran_is_told(report: Report) -> None:
    """Data set, fingerprint, signature, seeds and status stand at the head."""
    head = part(data_part(report), "What ran")
    [facts] = [block for block in head.blocks if isinstance(block, Facts)]
    known = dict(facts.facts)
    assert known["Licence"] == "only for reading"
    assert known["Fingerprint"].startswith("sha256:")
    assert known["Signature"].startswith("weighted_f1|classes:5|data:talk@")
    systems = tables(head)["Systems"]
    assert [row[0] for row in systems.rows] == ["method@1", "other@1"]
    assert [row[5] for row in systems.rows] == ["0, 1, 2", "0, 1"]
