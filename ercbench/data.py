"""Stage 1: files -> Corpus -> Examples. Every check of the data, and the fingerprint that a record carries."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ercbench.data_checks import count, count_problems, file_problems, shared_problems
from ercbench.data_files import (
    Found,
    Readings,
    all_paths,
    data_folder,
    find_files,
    old_copies,
    read_corpus,
    read_files,
)
from ercbench.errors import DataError, UsageError
from ercbench.fingerprints import Fingerprints, fingerprint, fingerprints
from ercbench.reading import Problem, RawDialogue
from ercbench.specs import DatasetSpec
from ercbench.types import SPLITS, ContextProtocol, Corpus, Dialogue, Example, Split, Turns, Utterance


@dataclass(frozen=True)
class SplitStatistics:
    """What a split contains.

    Attributes:
        dialogues: conversations.
        turns: utterances, labelled or not.
        labelled: utterances with a label.
        labels: labelled utterances per label key, in label order.
        speakers: different names, as they stand in the files.
        mean_turns: turns per dialogue.
        max_turns: turns of the longest dialogue.
        mean_words: words per turn, split at white space.
    """

    dialogues: int
    turns: int
    labelled: int
    labels: Mapping[str, int]
    speakers: int
    mean_turns: float
    max_turns: int
    mean_words: float


def load(spec: DatasetSpec, data_dir: Path | None = None, limit: int | None = None) -> Corpus:
    """Files -> Corpus: read and check all three splits.

    Before: the catalog. After: `examples`.

    Args:
        spec: the data set.
        data_dir: the folder that holds one folder per data set; see `data_files.data_root`.
        limit: keep only this many dialogues per split, the first ones; the checks see all of them.

    Raises:
        DataError: files are missing, broken, or not the version they should be. All problems are reported at once.
    """
    if spec.corpus is not None:
        return check(spec, read_corpus(spec.corpus), limit)
    return check_files(spec, find_files(spec, data_dir), data_folder(spec, data_dir), limit)


def check_files(spec: DatasetSpec, found: Found, folder: Path, limit: int | None = None) -> Corpus:
    """Found files -> Corpus, or a `DataError` with every problem.

    Before: `data_files.find_files`. After: `examples`.

    Args:
        spec: the data set.
        found: the files of every split.
        folder: where they are said to be from, for messages.
        limit: keep only the first dialogues of every split.
    """
    return check(spec, read_files(found), limit, f" in {folder}", old_copies(spec, found))


def check(
    spec: DatasetSpec, readings: Readings, limit: int | None = None, place: str = "", copies: Sequence[Problem] = ()
) -> Corpus:
    """Readings -> Corpus: every check of the data, for files as for a data set in memory.

    Args:
        spec: the data set.
        readings: of all three splits.
        limit: dialogues to keep per split; the checks see all of them.
        place: where they come from, in words, for the message.
        copies: files that are known to be of another version.

    Before: a reader. After: `examples`.

    Raises:
        DataError: whatever is wrong with them, all of it at once.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"The limit on dialogues must be at least 1. Got {limit}.")
    named = list(readings.values())
    problems = [problem for name, reading in named for problem in file_problems(reading, spec.labels, name)]
    if problems := problems or shared_problems(named):
        raise DataError.listing(f"Data set {spec.name!r}{place}", problems, copies)
    raw = {split: reading.dialogues for split, (_, reading) in readings.items()}
    _check_counts(spec, raw, copies)
    splits = {split: to_dialogues(spec.name, split, raw[split][:limit]) for split in SPLITS}
    train, dev, test = (splits[split] for split in SPLITS)
    return Corpus(spec.name, spec.version, fingerprint(splits), spec.labels, train, dev, test)


def corpus_fingerprints(corpus: Corpus, spec: DatasetSpec, data_dir: Path | None = None) -> Fingerprints:
    """Corpus -> its fingerprints at all three levels; the files are those that `load` read.

    Before: `load`. After: ``ercbench data``.
    """
    paths = {} if spec.corpus is not None else all_paths(find_files(spec, data_dir))
    return fingerprints({split: corpus.split(split) for split in SPLITS}, paths)


def _check_counts(
    spec: DatasetSpec, raw: Mapping[Split, Sequence[RawDialogue]], copies: Sequence[Problem] = ()
) -> None:
    """Raise where the content, or the file itself, is known to be of another version."""
    differences: list[str] = []
    for split in SPLITS:
        if split in spec.expected:
            differences += count_problems(split, count(raw[split]), spec.expected[split])
    if differences or copies:
        lines = [f"The files of data set {spec.name!r} are not those of version {spec.version!r}.", *differences]
        raise DataError("\n".join([*lines, *map(str, copies), f"Where the right files come from: {spec.source}"]))


def to_dialogues(name: str, split: Split, raw: Sequence[RawDialogue]) -> tuple[Dialogue, ...]:
    """Checked dialogues -> the same with a uid for every turn; `name` is the data set's."""
    return tuple(
        Dialogue(
            dialogue.key,
            tuple(
                Utterance(f"{name}/{split}/{d}/{t}", t, turn.speaker, turn.text, turn.label)
                for t, turn in enumerate(dialogue.turns)
            ),
        )
        for d, dialogue in enumerate(raw)
    )


def examples(
    corpus: Corpus, split: Split, past: Turns, protocol: ContextProtocol = "past", future: Turns = 0
) -> list[Example]:
    """Corpus -> Examples: every labelled utterance with its context, in file order, and without any label.

    This is where the context protocol is enforced: no later stage sees more of a dialogue than stands in an example.

    Before: `load`. After: ``rendering.py``.

    Args:
        corpus: a checked corpus.
        split: which of its splits.
        past: how many earlier turns of the dialogue to keep, unlabelled ones included, or all; none under ``none``.
        protocol: what may be shown at all.
        future: how many later turns to keep, unlabelled ones included, or all; none unless under ``full``.
    """
    window = (0 if protocol == "none" else past, future if protocol == "full" else 0)
    found = [example for dialogue in corpus.split(split) for example in _examples_of(dialogue, *window)]
    if protocol == "none":  # who spoke first is context too
        return [dataclasses.replace(example, speakers=(example.target.speaker,)) for example in found]
    return found


def _examples_of(dialogue: Dialogue, past: Turns, future: Turns) -> list[Example]:
    bare = [Utterance(u.uid, u.turn, u.speaker, u.text) for u in dialogue.utterances]
    before, after = (len(bare) if turns == "all" else turns for turns in (past, future))
    found: list[Example] = []
    speakers: tuple[str, ...] = ()
    shown = 0
    for i, (utterance, target) in enumerate(zip(dialogue.utterances, bare, strict=True)):
        end = i + 1 + after
        speakers = tuple(dict.fromkeys((*speakers, *(turn.speaker for turn in bare[shown:end]))))
        shown = end
        if utterance.label is not None:
            found.append(Example(target, tuple(bare[max(0, i - before) : i]), tuple(bare[i + 1 : end]), speakers))
    return found


def gold(corpus: Corpus, split: Split) -> dict[str, int]:
    """Corpus -> label index by uid, in the order of `examples`.

    Before: `load`. After: training and ``scoring.py``, which alone see it.
    """
    index = {label.key: label.index for label in corpus.labels}
    return {u.uid: index[u.label] for d in corpus.split(split) for u in d.utterances if u.label is not None}


def withhold(corpus: Corpus) -> Corpus:
    """Corpus -> the same without the labels of test; the fingerprint stays that of the whole.

    Before: `examples`, `gold`. After: the stages of a run, in which plugins work.
    """
    bare = tuple(
        dataclasses.replace(d, utterances=tuple(dataclasses.replace(u, label=None) for u in d.utterances))
        for d in corpus.test
    )
    return dataclasses.replace(corpus, test=bare)


def statistics(corpus: Corpus) -> dict[Split, SplitStatistics]:
    """Corpus -> what each split contains.

    Before: `load`. After: ``ercbench data stats``.
    """
    return {split: _split_statistics(corpus, split) for split in SPLITS}


def _split_statistics(corpus: Corpus, split: Split) -> SplitStatistics:
    dialogues = corpus.split(split)
    turns = [utterance for dialogue in dialogues for utterance in dialogue.utterances]
    found = Counter(utterance.label for utterance in turns)
    return SplitStatistics(
        dialogues=len(dialogues),
        turns=len(turns),
        labelled=len(turns) - found[None],
        labels={key: found[key] for key in corpus.labels.keys},
        speakers=len({utterance.speaker for utterance in turns}),
        mean_turns=len(turns) / max(1, len(dialogues)),
        max_turns=max((len(dialogue.utterances) for dialogue in dialogues), default=0),
        mean_words=sum(len(utterance.text.split()) for utterance in turns) / max(1, len(turns)),
    )
