"""The stock data sets: MELD, EmoryNLP in its two versions, IEMOCAP, and a bundled sample of each family.

The counts under `expected` were taken from the public files. The samples hold dialogue written for this project.
"""

from __future__ import annotations

from collections.abc import Mapping

from ercbench import DatasetSpec, LabelSet, Split, SplitCounts, SplitFile

_MELD = "ercbench_stock.readers.meld:read_meld"
_JSON = "ercbench_stock.readers.emorynlp:read_emorynlp_json"
_TSV = "ercbench_stock.readers.emorynlp:read_emorynlp_tsv"
_CSV = "ercbench_stock.readers.emorynlp:read_emorynlp_csv"
_IEMOCAP = "ercbench_stock.readers.iemocap:read_iemocap"


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
        "on request from USC SAIL, https://sail.usc.edu/iemocap; train_data.json, dev_data.json and test_data.json "
        "are made from the release: a list of dialogues, each a list of {text, speaker, label}"
    ),
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
