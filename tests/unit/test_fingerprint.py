"""The fingerprint of a data set: the same for the same content, whatever the files look like."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import DATASETS

from ercbench import data
from ercbench.types import SPLITS, Dialogue, Split, Utterance

STOCK = {spec.name: spec for spec in DATASETS}


def corpus_of(*dialogues: Sequence[tuple[str, str, str | None]]) -> dict[Split, list[Dialogue]]:
    """Splits whose train half has these dialogues of (speaker, text, label)."""
    made = [
        Dialogue(str(d), tuple(Utterance(f"t/train/{d}/{t}", t, *content) for t, content in enumerate(dialogue)))
        for d, dialogue in enumerate(dialogues)
    ]
    return {"train": made, "dev": [], "test": []}


BASE = ([("Ada", "Caf\u00e9?", "glad"), ("Bob", "No.", None)], [("Ada", "Well.", "flat")])


def test_the_fingerprint_has_a_fixed_value() -> None:
    """A record keeps its meaning: the text that is hashed, written out by hand, must not change."""
    text = '{"train":[[["Ada","Caf\u00e9?","glad"],["Bob","No.",null]],[["Ada","Well.","flat"]]],"dev":[],"test":[]}'
    assert data.fingerprint(corpus_of(*BASE)) == "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert data.fingerprint(corpus_of(*BASE)).startswith("sha256:186aa63666ffa959")


def test_the_fingerprint_does_not_depend_on_the_unicode_form() -> None:
    """A file saved by another editor, with the same letters, is the same data set."""
    apart = ([("Ada", unicodedata.normalize("NFD", "Caf\u00e9?"), "glad"), ("Bob", "No.", None)], BASE[1])
    assert apart[0] != BASE[0]
    assert data.fingerprint(corpus_of(*apart)) == data.fingerprint(corpus_of(*BASE))


@pytest.mark.parametrize(
    "other",
    [
        ([("Ada", "Caf\u00e9!", "glad"), ("Bob", "No.", None)], BASE[1]),
        ([("Eve", "Caf\u00e9?", "glad"), ("Bob", "No.", None)], BASE[1]),
        ([("Ada", "Caf\u00e9?", "grim"), ("Bob", "No.", None)], BASE[1]),
        ([("Ada", "Caf\u00e9?", "glad"), ("Bob", "No.", "flat")], BASE[1]),
        (BASE[1], BASE[0]),
        ([*BASE[0], *BASE[1]],),
        BASE[:1],
    ],
)
def test_the_fingerprint_changes_with_everything_that_matters(other: Any) -> None:
    """Text, speaker, label, missing label, order, borders between dialogues, number of dialogues."""
    assert data.fingerprint(corpus_of(*other)) != data.fingerprint(corpus_of(*BASE))
    moved = corpus_of(*BASE)
    assert data.fingerprint({**moved, "train": [], "dev": moved["train"]}) != data.fingerprint(moved)


def test_the_fingerprint_does_not_depend_on_the_file_format(tmp_path: Path) -> None:
    """EmoryNLP from JSON, TSV and CSV files with the same content is one data set."""
    lines = [[("Ada Byron", 'A "kettle", no.', "Mad"), ("Bob", "\u00dcber.", "Sad")], [("Cy", "Hm.", "Neutral")]]
    official, declare_lab = STOCK["emorynlp"], STOCK["emorynlp-declare-lab"]
    prints = set()
    for number, (spec, names, form) in enumerate(
        [
            (official, ["emotion-detection-trn.json", "emotion-detection-dev.json", "emotion-detection-tst.json"], 0),
            (official, ["EMORY_train.txt", "EMORY_dev.txt", "EMORY_test.txt"], 1),
            (declare_lab, [f"emorynlp_{split}_final.csv" for split in SPLITS], 2),
        ]
    ):
        folder = tmp_path / str(number) / spec.name
        folder.mkdir(parents=True)
        for position, name in enumerate(names):
            scenes = [[(s, f"{position} {t}", e) for s, t, e in scene] for scene in lines]
            (folder / name).write_text(emorynlp_text(scenes, form), encoding="utf-8", newline="")
        corpus = data.load(spec.model_copy(update={"expected": {}}), folder.parent)
        assert corpus.train[0].utterances[1].label == "sad"
        prints.add(corpus.fingerprint)
    assert len(prints) == 1


def emorynlp_text(scenes: list[list[tuple[str, str, str]]], form: int) -> str:
    """The same scenes as JSON (0), TSV (1) or CSV (2)."""
    if form == 1:
        return "\n".join("".join("\t".join(turn) + "\n" for turn in scene) for scene in scenes)
    if form == 2:
        rows = ["Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode"]
        for s, scene in enumerate(scenes):
            for u, (speaker, text, emotion) in enumerate(scene):
                quoted = text.replace('"', '""')
                rows.append(f'"{quoted}",\'[""{speaker}""]\',{emotion},{s},{u},1,1'.replace("'", '"'))
        return "\r\n".join(rows) + "\r\n"
    made = [
        {
            "scene_id": f"s{s}",
            "utterances": [
                {"utterance_id": f"s{s}_u{u}", "speakers": [speaker, "Zed"], "transcript": text, "emotion": emotion}
                for u, (speaker, text, emotion) in enumerate(scene)
            ],
        }
        for s, scene in enumerate(scenes)
    ]
    return json.dumps({"episodes": [{"scenes": made[:1]}, {"scenes": made[1:]}]}, indent=1)
