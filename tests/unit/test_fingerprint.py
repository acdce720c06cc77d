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
from ercbench.fingerprints import FileFingerprint, file_fingerprint, fingerprint, named_copy, split_fingerprint
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
    assert fingerprint(corpus_of(*BASE)) == "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert fingerprint(corpus_of(*BASE)).startswith("sha256:186aa63666ffa959")


def test_the_fingerprint_does_not_depend_on_the_unicode_form() -> None:
    """A file saved by another editor, with the same letters, is the same data set."""
    apart = ([("Ada", unicodedata.normalize("NFD", "Caf\u00e9?"), "glad"), ("Bob", "No.", None)], BASE[1])
    assert apart[0] != BASE[0]
    assert fingerprint(corpus_of(*apart)) == fingerprint(corpus_of(*BASE))


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
    assert fingerprint(corpus_of(*other)) != fingerprint(corpus_of(*BASE))
    moved = corpus_of(*BASE)
    assert fingerprint({**moved, "train": [], "dev": moved["train"]}) != fingerprint(moved)


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


@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_the_two_forms_of_one_split_are_the_same_content(tmp_path: Path, name: Split) -> None:
    """EmoryNLP with one split as TSV and the others as JSON, which is how it is passed on, is the data set itself."""
    scenes = [[("Ada Byron", 'A "kettle", no.', "Mad"), ("Bob", "\u00dcber.", "Sad")], [("Cy", "Hm.", "Neutral")]]
    spec = STOCK["emorynlp"].model_copy(update={"expected": {}})
    prints = []
    for tsv in ("", name):
        folder = tmp_path / (tsv or "none") / "emorynlp"
        folder.mkdir(parents=True)
        for position, (split, short) in enumerate(zip(SPLITS, ("trn", "dev", "tst"), strict=True)):
            said = [[(s, f"{position} {t}", e) for s, t, e in scene] for scene in scenes]
            file = f"EMORY_{split}.txt" if split == tsv else f"emotion-detection-{short}.json"
            (folder / file).write_text(emorynlp_text(said, int(split == tsv)), encoding="utf-8", newline="")
        corpus = data.load(spec, folder.parent)
        prints.append(data.corpus_fingerprints(corpus, spec, folder.parent))
        assert prints[-1].content == corpus.fingerprint
    assert prints[0].content == prints[1].content
    assert prints[0].splits == prints[1].splits
    assert prints[0].files[name] != prints[1].files[name]
    assert len(set(prints[0].splits.values())) == 3


def test_a_split_has_a_fingerprint_of_its_own() -> None:
    """The list of dialogues alone, written out by hand; it changes when the split does, and only then."""
    made = corpus_of(*BASE)
    text = '[[["Ada","Caf\u00e9?","glad"],["Bob","No.",null]],[["Ada","Well.","flat"]]]'
    assert split_fingerprint(made["train"]) == "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert split_fingerprint(made["train"]) != split_fingerprint(made["train"][:1])
    assert split_fingerprint(made["dev"]) == split_fingerprint([])


def test_a_file_is_known_by_all_its_bytes(tmp_path: Path) -> None:
    """Name, size and sha256; a line end more is another file."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"kettle\r\n")
    found = file_fingerprint(path)
    assert found == FileFingerprint("a.csv", 8, hashlib.sha256(b"kettle\r\n").hexdigest())
    path.write_bytes(b"kettle\n")
    assert file_fingerprint(path).sha256 != found.sha256


def test_a_copy_is_named_by_the_first_digits_of_its_sha256() -> None:
    """The facts often give eight digits only."""
    copies = {"a94b26fa": "an old one", "0" * 64: "zero"}
    assert named_copy("a94b26fa" + "1" * 56, copies) == "an old one"
    assert named_copy("0" * 64, copies) == "zero"
    assert named_copy("a94b26f" + "1" * 57, copies) is None


@pytest.mark.real_data
def test_the_real_contents_have_the_fingerprints_that_records_carry(real_data: Path) -> None:
    """Committed records name them, so they cannot change; the files are the ones known from the public sources."""
    known = [
        ("meld", "75fd6aaec078", "d2fa2d6529cf"),
        ("emorynlp", "3864ad3c5e52", "b686aba4a7fe"),
        ("iemocap", "16f9f74a2127", "3995a6622bac"),
    ]
    for name, content, file in known:
        if not (real_data / name).is_dir():
            pytest.skip(f"no folder {name} among the real data sets")
        found = data.corpus_fingerprints(data.load(STOCK[name], real_data), STOCK[name], real_data)
        assert found.content.startswith(f"sha256:{content}")
        assert found.files["train"][0].sha256.startswith(file)
