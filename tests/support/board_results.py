"""Results folders for tests of boards: records, published numbers, and evidence that the test decides on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from ercbench import leaderboard
from ercbench.leaderboard.evidence import EVIDENCE_FILE, Estimate, Evidence, PairEvidence, RowEvidence, evidence_text
from ercbench.leaderboard.pages import pages
from ercbench.leaderboard.seeds import Group, groups
from ercbench.leaderboard.seeds import tables as row_tables
from ercbench.records import RunRecord, read_records, record_path

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def split_scores(weighted_f1: float) -> dict[str, Any]:
    """Scores of one split; joy is 0.1 better than neutral."""
    per_class = {
        key: {"precision": 0.5, "recall": 0.5, "f1": weighted_f1 / 2 + bonus, "support": 4}
        for key, bonus in (("neutral", 0.0), ("joy", 0.1))
    }
    rest = {
        "macro_f1": weighted_f1 / 2,
        "micro_f1_without_neutral": 0.5,
        "accuracy": 0.5,
        "confusion": [[1, 0], [0, 1]],
    }
    return {"weighted_f1": weighted_f1, "per_class": per_class, **rest}


def record(name: str = "method", f1: float = 0.5, seed: int = 0, **changes: dict[str, Any]) -> RunRecord:
    """A record; `changes` are merged into the section of the record that they name."""
    data: dict[str, Any] = {
        "recipe": {"name": name, "version": "1", "reference": "A paper", "ranked": True},
        "dataset": {
            "name": "talk",
            "version": "1",
            "fingerprint": ONE,
            "ranked": True,
            "utterances": {"train": 8000, "dev": 900, "test": 1234},
        },
        "overrides": {},
        "config": {"training.epochs": 8},
        "protocol": {
            "selection_split": "dev",
            "context": "past",
            "context_past": 8,
            "metric": "weighted_f1|classes:2",
        },
        "encoder": {"checkpoint": "small-encoder", "origin": "local folder", "sha256": None, "parameters": 1000},
        "plugins": [],
        "environment": {"device": "cpu", "hardware": "a", "precision": "fp32", "python": "3.11", "packages": {}},
        "training": {
            "epochs": [],
            "chosen_epoch": 1,
            "candidates_dev_weighted_f1": [],
            "chosen_candidate": 1,
            "effective_batch": 64,
            "resumed_after_epochs": [],
        },
        "scores": {"dev": split_scores(f1 / 2), "test": split_scores(f1)},
        "predictions": {"file": f"seed-{seed}.predictions.csv", "sha256": "0" * 64},
        "seconds": {},
    }
    top = {"track": "mini", "seed": seed, "command": f"ercbench run {name} --seed {seed}", "started": "2026-01-01"}
    merged = {key: {**value, **changes.pop(key, {})} for key, value in data.items() if isinstance(value, dict)}
    return RunRecord.model_validate({**data, **top, **merged, **changes})


def seeds(name: str, f1: float, count: int = 3, **changes: Any) -> list[RunRecord]:
    """Records of one row whose mean is `f1`: as many seeds as a ranked row needs."""
    middle = (count - 1) / 2
    return [record(name, f1 + 0.001 * (seed - middle), seed, **changes) for seed in range(count)]


def saved(results: Path, *records: RunRecord) -> Path:
    """A results folder that holds these records."""
    for one in records:
        name = f"{one.recipe.name}@{one.recipe.version}"
        path = record_path(results, one.dataset.name, one.track, name, one.seed, one.protocol.context)
        while path.exists():  # as two runs into one folder would not do, but a stranger's pull request may
            path = path.parents[1] / (path.parent.name + "x") / path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.model_dump_json(), encoding="utf-8")  # `write_record` would wait for the disk
    return results


def found_groups(results: Path) -> list[Group]:
    """The rows of a results folder."""
    return groups(read_records(results), lambda *_: ())


def in_memory(records: Iterable[RunRecord]) -> list[Group]:
    """The rows of records that no file holds."""
    return groups(((Path(f"{number}.json"), one) for number, one in enumerate(records)), lambda *_: ())


def compared(results: Path, differ: Callable[[str, str], bool] = lambda better, worse: False) -> Path:
    """A results folder with evidence for all of its rows, as if the data had been at hand."""
    (results / EVIDENCE_FILE).write_text(evidence_text(evidence_of(found_groups(results), differ)), encoding="utf-8")
    return results


def evidence_of(found: Sequence[Group], differ: Callable[[str, str], bool]) -> Evidence:
    """Evidence for all of these rows.

    Args:
        found: the rows.
        differ: whether two rows differ significantly, by the names of their recipes, the better one first.
    """
    rows = {one.key: _row(one) for one in found}
    pairs: dict[str, dict[str, PairEvidence]] = {}
    for table in row_tables(found):
        for a, b in combinations(table, 2):
            first, other = (a, b) if a.key < b.key else (b, a)
            if first.key != other.key:
                pairs.setdefault(first.key, {})[other.key] = _pair(first, other, differ)
    return Evidence(rows=rows, pairs=pairs)


def _mean(group: Group) -> float:
    return sum(seed.weighted_f1 for seed in group.seeds) / len(group.seeds)


def _row(group: Group) -> RowEvidence:
    mean = _mean(group)
    return RowEvidence(
        fingerprint=group.shared.fingerprint,
        predictions=sorted(seed.predictions for seed in group.seeds),
        verified=True,
        over_dialogues=Estimate(estimate=mean, low=max(0.0, mean - 0.02), high=min(1.0, mean + 0.02)),
    )


def _pair(first: Group, other: Group, differ: Callable[[str, str], bool]) -> PairEvidence:
    effect = _mean(first) - _mean(other)
    better, worse = (first, other) if effect > 0 else (other, first)
    p = 1e-6 if differ(better.shared.recipe, worse.shared.recipe) else 0.5
    return PairEvidence(
        effect=Estimate(estimate=effect, low=effect - 0.01, high=effect + 0.01),
        p_bootstrap=p,
        p_randomisation=p / 2,
        p_seeds=p,
    )


def publish(results: Path, *entries: dict[str, Any], boards: dict[str, Any] | None = None) -> Path:
    """A results folder with a published.yaml, by default for the data sets ``talk`` and ``talk-short``."""
    results.mkdir(parents=True, exist_ok=True)
    heads = boards or {"talk": {"title": "Talk", "data_version": "1"}, "talk-short": {"title": "Talk, short"}}
    text = yaml.safe_dump({"boards": heads, "results": list(entries)})
    (results / "published.yaml").write_text(text, encoding="utf-8")
    return results


def printed(method: str, f1: str = "70.10", version: str = "talk", **more: Any) -> dict[str, Any]:
    """One entry of a published.yaml."""
    score = {"version": version, "weighted_f1": f1}
    return {"method": method, "kind": "encoder", "source": "A paper, Table 1", "scores": {"talk": score}, **more}


def built(results: Path) -> dict[str, str]:
    """The pages of a results folder."""
    return pages(leaderboard.build(results))


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page as a Markdown reader sees them: per table the rows, per row the text of the cells."""
    found: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level > 3:
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def table_with(text: str, column: str) -> list[list[str]]:
    """The only table that has a column of this name."""
    (found,) = (table for table in tables(text) if column in table[0])
    return found
