"""Thousands of damaged files, in every format: a data error that can be printed, or exactly what the file says.

`test_readers.py` holds each kind of damage on its own. Here whole data sets are loaded after several damages at once,
and what is accepted is compared with a second, short reading of the same bytes.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from ercbench_stock.datasets import DATASETS
from hypothesis import given, settings
from hypothesis import strategies as st

from ercbench import data
from ercbench.data_report import examine
from ercbench.errors import DataError
from ercbench.types import SPLITS, Corpus, Split

STOCK = {spec.name: spec.model_copy(update={"expected": {}}) for spec in DATASETS}
Content = list[list[tuple[str, str, str | None]]]
"""Dialogues of (speaker, text, label)."""

SCENES: Content = [
    [
        ("Ada", "The kettle is on.", "neutral"),
        ("Bob", "No, it\u2019s \u201coff\u201d.", "sad"),
        ("Ada", "Oh, I see.", "mad"),
    ],
    [("Cy", "Caf\u00e9?", "joyful")],
    [("Dee", "Who took the ladder?", "scared"), ("Cy", "I did.", "peaceful")],
]


def as_meld(scenes: Content) -> str:
    """The scenes as MELD's CSV."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"])
    words = {"sad": "sadness", "mad": "anger", "joyful": "joy", "scared": "fear", "peaceful": "surprise"}
    for d, scene in enumerate(scenes):
        rows.writerows([0, text, who, words.get(e or "", e), "x", d, t] for t, (who, text, e) in enumerate(scene))
    return out.getvalue()


def as_csv(scenes: Content) -> str:
    """The scenes as declare-lab's CSV of EmoryNLP."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode"])
    for s, scene in enumerate(scenes):
        rows.writerows([text, f"['{who}']", e, s, u, 1, 2] for u, (who, text, e) in enumerate(scene))
    return out.getvalue()


def as_tsv(scenes: Content) -> str:
    """The scenes as the TSV of EmoryNLP."""
    return "\n".join("".join(f"{who}\t{text}\t{e}\n" for who, text, e in scene) for scene in scenes)


def as_emory(scenes: Content) -> str:
    """The scenes as the JSON of EmoryNLP."""
    made = [
        {
            "scene_id": f"s{s}",
            "utterances": [
                {"utterance_id": f"s{s}_u{u}", "speakers": [who], "transcript": text, "emotion": e}
                for u, (who, text, e) in enumerate(scene)
            ],
        }
        for s, scene in enumerate(scenes)
    ]
    return json.dumps({"season_id": "x", "episodes": [{"scenes": made[:2]}, {"scenes": made[2:]}]}, indent=1)


def as_iemocap(scenes: Content) -> str:
    """The scenes as the JSON of IEMOCAP; the last utterance of a scene is left unlabelled."""
    words = {"neutral": "neu", "joyful": "hap", "mad": "ang", "scared": "fru", "peaceful": "exc"}
    made = [
        [
            {"text": text, "speaker": who} | ({"label": words.get(e or "", e)} if t + 1 < len(scene) else {})
            for t, (who, text, e) in enumerate(scene)
        ]
        for scene in scenes
    ]
    return json.dumps(made, indent=1)


FORMATS: dict[str, tuple[str, str, Callable[[Content], str]]] = {
    "meld": ("meld", "{}_sent_emo.csv", as_meld),
    "emorynlp-csv": ("emorynlp-declare-lab", "emorynlp_{}_final.csv", as_csv),
    "emorynlp-tsv": ("emorynlp", "EMORY_{}.txt", as_tsv),
    "emorynlp-json": ("emorynlp", "emotion-detection-{}.json", as_emory),
    "iemocap": ("iemocap", "{}_data.json", as_iemocap),
}


def said(name: str, content: bytes) -> Content:
    """The second reading: what a file of this format says, without any check."""
    text = content.decode("utf-8-sig")
    if name == "emorynlp-tsv":
        blocks = groupby(text.replace("\r\n", "\n").split("\n"), lambda line: bool(line.strip()))
        return [[tuple(line.split("\t")) for line in lines] for full, lines in blocks if full]  # type: ignore[misc]
    if name == "emorynlp-json":
        scenes = [scene for episode in json.loads(text)["episodes"] for scene in episode["scenes"]]
        return [[(u["speakers"][0], u["transcript"], u["emotion"]) for u in s["utterances"]] for s in scenes]
    if name == "iemocap":
        return [[(turn["speaker"], turn["text"], turn.get("label")) for turn in turns] for turns in json.loads(text)]
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if name == "meld":
        return [[_meld(row) for row in group] for _, group in groupby(rows, lambda row: row["Dialogue_ID"])]
    key = ("Season", "Episode", "Scene_ID")
    groups = groupby(rows, lambda row: [row[column].zfill(2) for column in key])
    return [[(ast.literal_eval(r["Speaker"])[0], r["Utterance"], r["Emotion"]) for r in group] for _, group in groups]


def _meld(row: dict[str, str]) -> tuple[str, str, str]:
    return row["Speaker"], row["Utterance"], row["Emotion"]


# ---------------------------------------- damage

PIECES = [
    b"\0", b'"', b"'", b"[", b"]", b"{", b"}", b"\t", b"\r", b"\n", b"\n\n", b"\r\n", b",", b"\\", b"\\ud800",
    b"\xff", b"\x92", b"\xc2\x92", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x85", b"\x1b[31m", b"NaN", b"1e999", b"null",
    b"\\u0000",
]  # fmt: skip
LARGE = [b"[" * 50_000, b'{"a":' * 20_000, b"a" * 200_000, b"9" * 10_000, b"(" * 5_000, b"\n" * 20_000, b'"' * 20_001]
VALUES: list[Any] = [
    None,
    True,
    7,
    -1.5,
    "",
    " ",
    "Neutral",
    "NEU",
    [],
    {},
    [[]],
    {"label": 1},
    "\u0000",
    "x" * 200_000,
]


def cut(content: bytes, rng: random.Random) -> bytes:
    """The file ends anywhere, or begins anywhere."""
    at = rng.randrange(len(content) + 1)
    return content[:at] if rng.random() < 0.8 else content[at:]


def lines(content: bytes, rng: random.Random) -> bytes:
    """Lines swapped, doubled, left out, joined."""
    found = content.split(b"\n")
    i, j = rng.randrange(len(found)), rng.randrange(len(found))
    kind = rng.randrange(4)
    if kind == 0:
        found[i], found[j] = found[j], found[i]
    elif kind == 1:
        found.insert(i, found[j])
    elif kind == 2:
        del found[i]
    else:
        found[i : i + 2] = [b"".join(found[i : i + 2])]
    return b"\n".join(found)


def insert(content: bytes, rng: random.Random) -> bytes:
    """Something that should not be there, now and then something very large."""
    at = rng.randrange(len(content) + 1)
    return content[:at] + (rng.choice(LARGE) if rng.random() < 0.05 else rng.choice(PIECES)) + content[at:]


def flip(content: bytes, rng: random.Random) -> bytes:
    """One bit."""
    at = rng.randrange(max(1, len(content)))
    return content[:at] + bytes(byte ^ (1 << rng.randrange(8)) for byte in content[at : at + 1]) + content[at + 1 :]


def encode(content: bytes, rng: random.Random) -> bytes:
    """Another encoding or other line ends."""
    kind = rng.randrange(5)
    if kind == 0:
        return b"\xef\xbb\xbf" + content
    if kind == 1:
        return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if kind == 2:
        return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r")
    text = content.decode("utf-8", "replace")
    return text.encode("cp1252", "replace") if kind == 3 else text.encode("utf-16")


def values(content: bytes, rng: random.Random) -> bytes:
    """A value of the wrong type somewhere in the JSON; in a table, a cell that is something else."""
    value = rng.choice(VALUES)
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        cells = content.split(b",")
        cells[rng.randrange(len(cells))] = json.dumps(value).encode()
        return b",".join(cells)
    places = list(_places(tree, 0))
    if places:
        owner, key = rng.choice(places)
        owner[key] = value
    return json.dumps(tree, ensure_ascii=rng.random() < 0.5, indent=1).encode("utf-8", "surrogatepass")


def _places(tree: Any, depth: int) -> Iterator[tuple[Any, Any]]:
    """Every place in lists and objects that are not nested too deep."""
    items = enumerate(tree) if isinstance(tree, list) else tree.items() if isinstance(tree, dict) else ()
    for key, value in items:
        yield tree, key
        if depth < 20:
            yield from _places(value, depth + 1)


DAMAGES = [cut, lines, lines, insert, flip, encode, values, values]


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Interrupt what hangs."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def path_of(name: str, root: Path, split: Split) -> Path:
    """Where a split's file of this format is."""
    spec_name, pattern, _ = FORMATS[name]
    short = {"train": "trn", "dev": "dev", "test": "tst"}[split] if name == "emorynlp-json" else split
    return root / spec_name / pattern.format(short)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Per format a data folder whose dev and test are sound; train is for the tests to write."""
    found = {}
    for name, (spec_name, _, writer) in FORMATS.items():
        found[name] = tmp_path_factory.mktemp(name)
        (found[name] / spec_name).mkdir()
        for split in SPLITS[1:]:
            scenes = [[(who, f"{text} {split}", label) for who, text, label in scene] for scene in SCENES]
            path_of(name, found[name], split).write_bytes(writer(scenes).encode())
    return found


def load(name: str, root: Path, train: bytes) -> Corpus:
    """Load a data set whose train file has these bytes."""
    path_of(name, root, "train").write_bytes(train)
    return data.load(STOCK[FORMATS[name][0]], root)


@pytest.mark.parametrize("name", FORMATS)
def test_an_undamaged_file_is_read_alike_by_both_readings(roots: dict[str, Path], name: str) -> None:
    """Otherwise the comparison below would compare nothing."""
    content = FORMATS[name][2](SCENES).encode()
    assert read(load(name, roots[name], content)) == lowered(said(name, content))
    assert [len(scene) for scene in said(name, content)] == [3, 1, 2]


def read(corpus: Corpus) -> Content:
    """The train split as it was loaded."""
    return [[(u.speaker, u.text, u.label) for u in dialogue.utterances] for dialogue in corpus.train]


def lowered(content: Content) -> Content:
    """EmoryNLP and MELD have labels with capitals."""
    return [[(who, text, label and label.lower()) for who, text, label in scene] for scene in content]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=400)
@given(damages=st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_a_damaged_data_set_is_refused_or_read_as_it_stands(
    roots: dict[str, Path], name: str, damages: list[Any], seed: int
) -> None:
    """A `DataError` of lines that can be printed, or a corpus with every dialogue, turn, text and label of the file."""
    rng = random.Random(seed)
    content = FORMATS[name][2](SCENES).encode()
    for damage in damages:
        content = damage(content, rng)
    with at_most(20):
        try:
            corpus = load(name, roots[name], content)
        except DataError as error:
            text = str(error)
            assert text.encode("utf-8")
            assert "\x1b" not in text
            assert len(text) < 60_000
            corpus = None
        report = examine(STOCK[FORMATS[name][0]], roots[name]).report if seed % 4 == 0 else None
    if corpus is not None:
        assert read(corpus) == lowered(said(name, content))
        assert {u.label for d in corpus.train for u in d.utterances} <= {None, *corpus.labels.keys}
    if report is not None:
        assert (corpus is None) == bool(report.problems)
        assert corpus is None or report.fingerprint == corpus.fingerprint
