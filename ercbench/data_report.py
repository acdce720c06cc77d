"""What ``ercbench data doctor`` says of a data set: counts, labels, order, repeats, and what test shares with train.

`load` of ``data.py`` stops at files that are not what they should be; `examine` reports as much as can be read, with
the problems that `load` would raise. Numbers count utterances; nothing here holds a line of dialogue but the values
that a `Problem` quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ercbench.data import to_dialogues
from ercbench.data_checks import count, count_problems, file_problems, shared_problems
from ercbench.data_files import all_paths, data_folder, find_split_files, old_copies, read_files
from ercbench.errors import DataError
from ercbench.fingerprints import FileFingerprint, file_fingerprint, fingerprint, named_copy, split_fingerprint
from ercbench.overlap import Overlap, Repeats, overlap, repeats
from ercbench.reading import Problem, RawDialogue, RawTurn, Reading
from ercbench.specs import DatasetSpec, SplitCounts
from ercbench.types import SPLITS, Dialogue, LabelSet, Split

PAIRS: tuple[tuple[Split, Split], ...] = (("test", "train"), ("test", "dev"), ("dev", "train"))
"""Which split is looked up in which, within one data set."""
ACROSS: tuple[tuple[Split, Split], ...] = (*PAIRS, ("test", "test"))
"""Which split of one data set is looked up in which of another."""

_NUMBER = re.compile(r"[0-9]{1,18}$")


@dataclass(frozen=True)
class TurnOrder:
    """What the turns' own ids say of their order; an id counts by the number at its end.

    Attributes:
        gaps: places in a dialogue where the number is not one more than that of the turn before.
        backwards: those of them where it is not more at all.
    """

    gaps: int
    backwards: int


@dataclass(frozen=True)
class SplitReport:
    """One split.

    Attributes:
        files: those it was read from.
        copy: what they are known as, if one is of another version.
        fingerprint: of the content; None where the file is broken.
        dialogues: conversations.
        turns: utterances, labelled or not.
        labelled: utterances with one of the data set's labels.
        labels: labelled utterances per label, in label order.
        unknown_labels: utterances with a label that the data set does not have.
        speakers: different names.
        one_turn_dialogues: dialogues of a single turn.
        empty_texts: turns without text, which is legal for context.
        wordless_texts: turns whose text has no letter a-z and no digit.
        order: what the turns' own ids say; None where the format has none.
        repeats: what stands in the split more than once.
    """

    files: tuple[FileFingerprint, ...]
    copy: str | None
    fingerprint: str | None
    dialogues: int
    turns: int
    labelled: int
    labels: Mapping[str, int]
    unknown_labels: int
    speakers: int
    one_turn_dialogues: int
    empty_texts: int
    wordless_texts: int
    order: TurnOrder | None
    repeats: Repeats


@dataclass(frozen=True)
class PairReport:
    """One split looked up in another: the overlap of their texts, and names that speak in both."""

    overlap: Overlap
    shared_speakers: int


@dataclass(frozen=True)
class DataReport:
    """One data set.

    Attributes:
        name: of the data set.
        argument: what names it on a command line.
        version: the one that the files should be.
        folder: where the files were looked for.
        fingerprint: of the content of all splits; None where a file is broken or missing.
        splits: the splits whose file is there.
        pairs: by ``"test in train"`` and so on.
        problems: everything that `load` would raise for, and differences of counts besides.
    """

    name: str
    argument: str
    version: str
    folder: Path
    fingerprint: str | None
    splits: Mapping[Split, SplitReport]
    pairs: Mapping[str, PairReport]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Examined:
    """A data set after reading: its report, and the dialogues that could be read, for a comparison with another."""

    report: DataReport
    dialogues: Mapping[Split, tuple[RawDialogue, ...]] = field(repr=False)


def examine(spec: DatasetSpec, data_dir: Path | None = None) -> Examined:
    """DatasetSpec -> Examined: read what is there and report on it, whole or not.

    Before: the catalog. After: `across` and ``ercbench data doctor``.

    Args:
        spec: the data set.
        data_dir: the folder that holds one folder per data set; see ``data_files.data_root``.

    Raises:
        DataError: not one of the files is there, so that there is nothing to report on.
    """
    files, missing = find_split_files(spec, data_dir)
    if not files:
        raise DataError(missing)
    readings = read_files(files)
    dialogues = {split: _sound(reading.dialogues) for split, (_, reading) in readings.items()}
    broken = {split: file_problems(reading, spec.labels, name) for split, (name, reading) in readings.items()}
    problems = _missing_problems(spec, missing)
    problems += [problem for split in files for problem in broken[split]]
    problems += shared_problems([(readings[split][0], Reading(dialogues[split])) for split in files])
    problems += _count_problems(spec, dialogues) + old_copies(spec, files)
    whole = {split: to_dialogues(spec.name, split, dialogues[split]) for split in files if not broken[split]}
    paths = all_paths(files)
    report = DataReport(
        name=spec.name,
        argument=spec.argument,
        version=spec.version,
        folder=data_folder(spec, data_dir),
        fingerprint=fingerprint(whole) if len(whole) == len(SPLITS) else None,
        splits={split: _split_report(spec, paths[split], dialogues[split], whole.get(split)) for split in files},
        pairs=_pairs(dialogues, dialogues, PAIRS),
        problems=tuple(problems),
    )
    return Examined(report, dialogues)


def _missing_problems(spec: DatasetSpec, missing: str) -> list[Problem]:
    """The message about files that are not there as a problem: the first line says which, the others what to do."""
    what, _, fix = missing.partition("\n")
    return [Problem(spec.name, what, fix)] if missing else []


def across(first: Examined, second: Examined) -> dict[str, PairReport]:
    """Two data sets -> what the splits of each share with those of the other, by ``"a test in b train"`` and so on.

    Before: `examine`. After: ``ercbench data doctor``.
    """
    found: dict[str, PairReport] = {}
    for one, other in ((first, second), (second, first)):
        for key, pair in _pairs(one.dialogues, other.dialogues, ACROSS).items():
            left, right = key.split(" in ")
            found[f"{one.report.name} {left} in {other.report.name} {right}"] = pair
    return found


def _pairs(
    left: Mapping[Split, Sequence[RawDialogue]],
    right: Mapping[Split, Sequence[RawDialogue]],
    pairs: Sequence[tuple[Split, Split]],
) -> dict[str, PairReport]:
    return {
        f"{one} in {other}": PairReport(
            overlap(left[one], right[other]), len(_speakers(left[one]) & _speakers(right[other]))
        )
        for one, other in pairs
        if one in left and other in right
    }


def _sound(dialogues: Sequence[RawDialogue]) -> tuple[RawDialogue, ...]:
    """Dialogues without the turns that a careless reader let through; `file_problems` reports those."""
    return tuple(
        RawDialogue(dialogue.key, tuple(turn for turn in dialogue.turns if _is_text(turn))) for dialogue in dialogues
    )


def _is_text(turn: RawTurn) -> bool:
    values = (turn.text, turn.speaker, turn.key, *(() if turn.label is None else (turn.label,)))
    return all(isinstance(value, str) for value in values)


def _count_problems(spec: DatasetSpec, dialogues: Mapping[Split, Sequence[RawDialogue]]) -> list[Problem]:
    """Differences from the known counts, one problem per split. Labels that do not exist are counted without name."""
    found: list[Problem] = []
    for split, expected in spec.expected.items():
        if split in dialogues:
            counted, unknown = _counted(dialogues[split], spec.labels)
            for text in count_problems(split, counted, expected):
                what = text.removeprefix(f"{split}: ")
                found.append(Problem(split, f"{what}{f'; unknown labels {unknown}' if unknown else ''}."))
    return found


def _counted(dialogues: Sequence[RawDialogue], labels: LabelSet) -> tuple[SplitCounts, int]:
    """Counts over the labels that exist, in label order, and the number of utterances with another."""
    found = count(dialogues)
    known = {key: found.labels.get(key, 0) for key in labels.keys}
    counts = SplitCounts(dialogues=found.dialogues, turns=found.turns, labels=known)
    return counts, found.labelled - counts.labelled


def _split_report(
    spec: DatasetSpec, paths: Sequence[Path], dialogues: Sequence[RawDialogue], whole: Sequence[Dialogue] | None
) -> SplitReport:
    """The report on one split; `whole` is its content where the file has no problem."""
    counts, unknown = _counted(dialogues, spec.labels)
    texts = [turn.text for turn in _turns(dialogues)]
    files = tuple(map(_file, paths))
    copies = [name for file in files if (name := named_copy(file.sha256, spec.known_copies))]
    return SplitReport(
        files=files,
        copy=", ".join(copies) or None,
        fingerprint=None if whole is None else split_fingerprint(whole),
        dialogues=counts.dialogues,
        turns=counts.turns,
        labelled=counts.labelled,
        labels=counts.labels,
        unknown_labels=unknown,
        speakers=len(_speakers(dialogues)),
        one_turn_dialogues=sum(len(dialogue.turns) == 1 for dialogue in dialogues),
        empty_texts=sum(not text.strip() for text in texts),
        wordless_texts=sum(not re.search("[a-z0-9]", text.lower()) for text in texts),
        order=turn_order(dialogues),
        repeats=repeats(dialogues),
    )


def _file(path: Path) -> FileFingerprint:
    """The file's fingerprint; one that cannot be opened, which its reader reports, has none."""
    try:
        return file_fingerprint(path)
    except OSError:
        return FileFingerprint(path.name, 0, "")


def turn_order(dialogues: Sequence[RawDialogue]) -> TurnOrder | None:
    """Dialogues -> what the turns' own ids say of their order, or None where no id ends in a number."""
    numbers = [[_NUMBER.search(turn.key) for turn in dialogue.turns] for dialogue in dialogues]
    if not any(found for dialogue in numbers for found in dialogue):
        return None
    steps = [
        int(after.group()) - int(before.group())
        for dialogue in numbers
        for before, after in pairwise(dialogue)
        if before and after
    ]
    return TurnOrder(gaps=sum(step != 1 for step in steps), backwards=sum(step <= 0 for step in steps))


def _turns(dialogues: Sequence[RawDialogue]) -> Iterator[RawTurn]:
    return (turn for dialogue in dialogues for turn in dialogue.turns)


def _speakers(dialogues: Sequence[RawDialogue]) -> set[str]:
    return {turn.speaker for turn in _turns(dialogues)}
