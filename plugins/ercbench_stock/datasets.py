"""The stock data sets: MELD, EmoryNLP in its two versions, IEMOCAP, and a bundled sample of each family.

The counts under `expected` were taken from the public files. The samples hold dialogue written for this project.
"""

from __future__ import annotations

from collections.abc import Mapping

from ercbench import DatasetSpec, LabelSet, RemoteFile, Split, SplitCounts, SplitFile

_MELD = "ercbench_stock.readers.meld:read_meld"
_JSON = "ercbench_stock.readers.emorynlp:read_emorynlp_json"
_TSV = "ercbench_stock.readers.emorynlp:read_emorynlp_tsv"
_CSV = "ercbench_stock.readers.emorynlp:read_emorynlp_csv"
_IEMOCAP = "ercbench_stock.readers.iemocap:read_iemocap"
_OLD_MELD = "MELD before 2020-11-15, whose apostrophes are cp1252"


def _same(*words: str) -> LabelSet:
    """Labels whose key is the word shown to a model."""
    return LabelSet.of({word: word for word in words}, neutral="neutral")


MELD_LABELS = _same("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
EMORYNLP_LABELS = _same("joyful", "neutral", "powerful", "mad", "scared", "peaceful", "sad")
IEMOCAP_LABELS = LabelSet.of(
    {"neu": "neutral", "exc": "excited", "fru": "frustrated", "sad": "sad", "hap": "happy", "ang": "angry"},
    neutral="neu",
)


def _files(*patterns: tuple[str, str], splits: str = "train dev test") -> dict[Split, tuple[SplitFile, ...]]:
    """Per split, the known names: each pattern has the split's own short name where ``{}`` stands."""
    names: tuple[Split, ...] = ("train", "dev", "test")
    return {
        split: tuple(SplitFile(name=pattern.format(short), reader=reader) for pattern, reader in patterns)
        for split, short in zip(names, splits.split(), strict=True)
    }


def _counts(labels: LabelSet, dialogues: int, turns: int | None, *per_label: int) -> SplitCounts:
    """`per_label` in label order; `turns` is None where every turn is labelled."""
    counts = dict(zip(labels.keys, per_label, strict=True))
    return SplitCounts(dialogues=dialogues, turns=sum(per_label) if turns is None else turns, labels=counts)


def _pinned(folder: str, files: Mapping[str, tuple[int, str]]) -> tuple[RemoteFile, ...]:
    """Files of a GitHub folder (owner, repository, commit, path) by name, each with its size in bytes and sha256."""
    return tuple(
        RemoteFile(name=name, url=f"{_GITHUB}/{folder}/{name}", size=size, sha256=sha256)
        for name, (size, sha256) in files.items()
    )


IEMOCAP_SLICES = {"scripted": "_script", "improvised": "_impro"}
"""By the dialogue's key, such as ``Ses05F_script01_1``. The same scripts are played in every session."""

_MELD_FILES = _files(("{}_sent_emo.csv", _MELD), ("{}_data.csv", _MELD))
_OFFICIAL_JSON = _files(("emotion-detection-{}.json", _JSON), ("{}.json", _JSON), splits="trn dev tst")
_OFFICIAL_TSV = _files(("EMORY_{}.txt", _TSV))
_EMORYNLP_FILES: Mapping[Split, tuple[SplitFile, ...]] = {
    split: files + _OFFICIAL_TSV[split] for split, files in _OFFICIAL_JSON.items()
}
_IEMOCAP_FILES = _files(("{}_data.json", _IEMOCAP))
_OURS = "written for this project; comes with ercbench"

_GITHUB = "https://raw.githubusercontent.com"
_DECLARE_LAB = "declare-lab/MELD/2d2011b409d3ca2d7e94460cd007d434b1d0a102/data"
_EMOTION_DETECTION = "emorynlp/emotion-detection/289b967a34556f0d86b52ea36571c2a0c90740ae/json"
_MELD_REMOTE = _pinned(
    f"{_DECLARE_LAB}/MELD",
    {
        "train_sent_emo.csv": (1_119_290, "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db"),
        "dev_sent_emo.csv": (121_640, "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c"),
        "test_sent_emo.csv": (294_526, "8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888"),
    },
)
_EMORYNLP_REMOTE = (
    RemoteFile(  # known by its id in the repository alone
        name="emotion-detection-trn.json",
        url=f"{_GITHUB}/{_EMOTION_DETECTION}/emotion-detection-trn.json",
        git_blob="0f40b44b249e199bfd9c75f8383688f9c81a2d67",
    ),
    *_pinned(
        _EMOTION_DETECTION,
        {
            "emotion-detection-dev.json": (563_109, "177f0b8ae5442045ea60e6f7940e14b1a8c15c704201f01da1ba74943f99086e"),
            "emotion-detection-tst.json": (556_256, "2da84b0bffbc9da2f3b9de8016c2d3ae5478e6ccb26d473313368373b427dedc"),
        },
    ),
)
_EMORYNLP_DECLARE_LAB_REMOTE = _pinned(
    f"{_DECLARE_LAB}/emorynlp",
    {
        "emorynlp_train_final.csv": (771_777, "462c66c333783adb801836d12d1424f48489bef4fb8ddfec7fbb2f08ce8211d5"),
        "emorynlp_dev_final.csv": (93_130, "20edc9d5917fe705b17b849f7f288e495d4132a60353a6247c3800445bdf8734"),
        "emorynlp_test_final.csv": (100_280, "dbc4b5638acd12c92a5f48def829e04f1c765cddffb4eedbe34216312e0d2d78"),
    },
)

MELD = DatasetSpec(
    name="meld",
    summary="Dialogues of several speakers from one television series, seven emotions",
    family="meld",
    version="declare-lab 2d2011b",
    labels=MELD_LABELS,
    files=_MELD_FILES,
    expected={
        "train": _counts(MELD_LABELS, 1038, None, 1109, 271, 268, 1743, 683, 1205, 4710),
        "dev": _counts(MELD_LABELS, 114, None, 153, 22, 40, 163, 111, 150, 470),
        "test": _counts(MELD_LABELS, 280, None, 345, 68, 50, 402, 208, 281, 1256),
    },
    sample="meld-sample",
    benchmark=True,
    licence="GPL-3.0",
    source=(
        "https://github.com/declare-lab/MELD at commit 2d2011b409d3ca2d7e94460cd007d434b1d0a102, folder data/MELD: "
        "train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv"
    ),
    remote=_MELD_REMOTE,
    known_copies=dict.fromkeys(("a94b26fa", "7e306369", "2d3fdb65"), _OLD_MELD),
)

EMORYNLP = DatasetSpec(
    name="emorynlp",
    summary="Dialogues of several speakers from one television series, seven emotions, as published",
    family="emorynlp",
    version="official 289b967",
    labels=EMORYNLP_LABELS,
    files=_EMORYNLP_FILES,
    expected={
        "train": _counts(EMORYNLP_LABELS, 713, None, 2184, 3034, 784, 1076, 1285, 900, 671),
        "dev": _counts(EMORYNLP_LABELS, 99, None, 289, 393, 134, 143, 178, 132, 75),
        "test": _counts(EMORYNLP_LABELS, 85, None, 282, 349, 145, 113, 182, 159, 98),
    },
    sample="emorynlp-sample",
    benchmark=True,
    licence="Apache-2.0",
    source=(
        "https://github.com/emorynlp/emotion-detection at commit 289b967a34556f0d86b52ea36571c2a0c90740ae, folder "
        "json: emotion-detection-trn.json, emotion-detection-dev.json, emotion-detection-tst.json"
    ),
    remote=_EMORYNLP_REMOTE,
)

EMORYNLP_DECLARE_LAB = DatasetSpec(
    name="emorynlp-declare-lab",
    summary="EmoryNLP without the utterances that have no time stamp: another data set, not comparable with emorynlp",
    family="emorynlp",
    version="declare-lab 2d2011b",
    labels=EMORYNLP_LABELS,
    files=_files(("emorynlp_{}_final.csv", _CSV)),
    expected={
        "train": _counts(EMORYNLP_LABELS, 659, None, 1677, 2485, 551, 785, 941, 638, 474),
        "dev": _counts(EMORYNLP_LABELS, 89, None, 205, 322, 70, 97, 127, 82, 51),
        "test": _counts(EMORYNLP_LABELS, 79, None, 217, 288, 96, 86, 116, 111, 70),
    },
    sample="emorynlp-sample",
    licence="Apache-2.0",
    source=(
        "https://github.com/declare-lab/MELD at commit 2d2011b409d3ca2d7e94460cd007d434b1d0a102, folder "
        "data/emorynlp: emorynlp_train_final.csv, emorynlp_dev_final.csv, emorynlp_test_final.csv"
    ),
    remote=_EMORYNLP_DECLARE_LAB_REMOTE,
)

IEMOCAP = DatasetSpec(
    name="iemocap",
    summary="Dialogues of two actors, scripted and improvised, six emotions; turns without a majority are context",
    family="iemocap",
    version="6-way, sessions 1-4 / 5",
    labels=IEMOCAP_LABELS,
    files=_IEMOCAP_FILES,
    expected={
        "train": _counts(IEMOCAP_LABELS, 100, 6490, 1167, 620, 1149, 739, 392, 711),
        "dev": _counts(IEMOCAP_LABELS, 20, 1401, 157, 122, 319, 100, 60, 222),
        "test": _counts(IEMOCAP_LABELS, 31, 2196, 384, 299, 381, 245, 143, 170),
    },
    slices=IEMOCAP_SLICES,
    sample="iemocap-sample",
    benchmark=True,
    licence="USC SAIL release agreement; may not be redistributed",
    source=(
        "on request from USC SAIL, https://sail.usc.edu/iemocap; `ercbench data import iemocap FOLDER` makes "
        "train_data.json, dev_data.json and test_data.json from the released folder"
    ),
    importer="ercbench_stock.readers.iemocap_release:import_release",
)

MELD_SAMPLE = DatasetSpec(
    name="meld-sample",
    summary="A small corpus in the form of MELD, to try things out; its scores mean nothing",
    family="meld",
    version="1",
    labels=MELD_LABELS,
    files=_MELD_FILES,
    expected={
        "train": _counts(MELD_LABELS, 28, None, 38, 13, 19, 43, 23, 31, 98),
        "dev": _counts(MELD_LABELS, 7, None, 8, 5, 4, 12, 5, 8, 25),
        "test": _counts(MELD_LABELS, 7, None, 7, 4, 5, 12, 7, 7, 24),
    },
    bundled="ercbench_stock:samples/meld-sample",
    ranked=False,
    licence="MIT",
    source=_OURS,
)

EMORYNLP_SAMPLE = DatasetSpec(
    name="emorynlp-sample",
    summary="A small corpus in the form of EmoryNLP, to try things out; its scores mean nothing",
    family="emorynlp",
    version="1",
    labels=EMORYNLP_LABELS,
    files=_EMORYNLP_FILES,
    expected={
        "train": _counts(EMORYNLP_LABELS, 28, None, 52, 74, 23, 26, 36, 27, 20),
        "dev": _counts(EMORYNLP_LABELS, 7, None, 11, 19, 7, 7, 9, 6, 6),
        "test": _counts(EMORYNLP_LABELS, 7, None, 11, 20, 6, 10, 8, 7, 4),
    },
    bundled="ercbench_stock:samples/emorynlp-sample",
    ranked=False,
    licence="MIT",
    source=_OURS,
)

IEMOCAP_SAMPLE = DatasetSpec(
    name="iemocap-sample",
    summary="A small corpus in the form of IEMOCAP, to try things out; its scores mean nothing",
    family="iemocap",
    version="1",
    labels=IEMOCAP_LABELS,
    files=_IEMOCAP_FILES,
    expected={
        "train": _counts(IEMOCAP_LABELS, 28, 281, 63, 36, 59, 36, 33, 30),
        "dev": _counts(IEMOCAP_LABELS, 7, 66, 14, 8, 12, 9, 7, 10),
        "test": _counts(IEMOCAP_LABELS, 7, 69, 15, 11, 12, 9, 7, 9),
    },
    slices=IEMOCAP_SLICES,
    bundled="ercbench_stock:samples/iemocap-sample",
    ranked=False,
    licence="MIT",
    source=_OURS,
)

DATASETS: tuple[DatasetSpec, ...] = (
    MELD,
    EMORYNLP,
    EMORYNLP_DECLARE_LAB,
    IEMOCAP,
    MELD_SAMPLE,
    EMORYNLP_SAMPLE,
    IEMOCAP_SAMPLE,
)
