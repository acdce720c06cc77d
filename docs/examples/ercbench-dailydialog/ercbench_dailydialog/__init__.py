"""DailyDialog, and a few dialogues in its form to try things out with: what this plugin offers."""

from ercbench import DatasetSpec, LabelSet, SplitFile, hookimpl
from ercbench_dailydialog.reading import EMOTIONS

ERCBENCH_API = 1
LABELS = LabelSet.of({emotion: emotion for emotion in EMOTIONS}, neutral="neutral")
FOLDERS = {"train": "train", "dev": "validation", "test": "test"}
FILES = {
    split: (
        SplitFile(
            name=f"{folder}/dialogues_{folder}.txt",
            reader="ercbench_dailydialog.reading:read_dialogues",
            # The labels are in a file of their own, which the same reader opens.
            beside=(f"{folder}/dialogues_emotion_{folder}.txt",),
        ),
    )
    for split, folder in FOLDERS.items()
}


@hookimpl
def ercbench_datasets():
    """The data set itself, whose files a person brings, and the sample, which comes in this package."""
    return [
        DatasetSpec(
            name="dailydialog",
            summary="Everyday dialogues of two people, written for learners of English, seven emotions",
            family="dailydialog",
            # Not the data set as it was published, see reading.py, so the version says so.
            version="2017, no dialogue of a later split",
            labels=LABELS,
            files=FILES,
            # `expected` would hold the counts; whoever has the files can take them from `ercbench data stats`.
            sample="dailydialog-sample",
            licence="CC-BY-NC-SA-4.0",
            source=(
                "http://yanran.li/dailydialog, ijcnlp_dailydialog.zip: unpack it, and the archives train.zip, "
                "validation.zip and test.zip in it"
            ),
            citation="Li et al.: DailyDialog: A Manually Labelled Multi-turn Dialogue Dataset, IJCNLP 2017",
        ),
        DatasetSpec(
            name="dailydialog-sample",
            summary="A small corpus in the form of DailyDialog, to try things out; its scores mean nothing",
            family="dailydialog",  # so that a recipe's values for dailydialog are for it too
            version="1",
            labels=LABELS,
            files=FILES,
            bundled="ercbench_dailydialog:sample",
            ranked=False,
            licence="MIT",
            source="written for this package, with which it comes",
        ),
    ]
