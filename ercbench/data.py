"""Stage 1: files -> Corpus -> Examples. Every check of the data, and the fingerprint that a record carries."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ercbench.catalog import load_target
from ercbench.data_checks import count, count_problems, file_problems, shared_problems
from ercbench.errors import DataError, UsageError
from ercbench.fetching import how_to_get
from ercbench.fingerprints import Fingerprints, file_fingerprint, fingerprint, fingerprints, named_copy
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import (
    SPLITS,
    ContextProtocol,
    Corpus,
    Dialogue,
    Example,
    Problem,
    RawDialogue,
    Reading,
    Split,
    Utterance,
)

ENVIRONMENT = "ERCBENCH_DATA"
SHOWN_PROBLEMS = 50


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


def data_root(data_dir: Path | None) -> Path:
    """The folder that holds one folder per data set: `data_dir`, else ``ERCBENCH_DATA``, else the user's own."""
    if data_dir is not None:
        return data_dir.expanduser()
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    return _default_root()


def data_folder(spec: DatasetSpec, data_dir: Path | None = None) -> Path:
    """The folder of one data set: below `data_root`, or inside the package that bundles it."""
    if spec.bundled is None:
        return (data_root(data_dir) / spec.name).absolute()
    package, _, folder = spec.bundled.partition(":")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise DataError(f"The package {package!r}, which bundles the data set {spec.name!r}, is not installed.")
    return Path(found.submodule_search_locations[0]) / folder


def find_files(spec: DatasetSpec, data_dir: Path | None = None) -> dict[Split, tuple[Path, SplitFile]]:
    """DatasetSpec -> files: per split the first of the known file names that exists.

    Before: the catalog. After: `load`.

    Raises:
        DataError: a split has no file. The message says where the files come from and where they go.
    """
    files, missing = find_split_files(spec, data_dir)
    if missing:
        raise DataError(missing)
    return files


def find_split_files(
    spec: DatasetSpec, data_dir: Path | None = None
) -> tuple[dict[Split, tuple[Path, SplitFile]], str]:
    """DatasetSpec -> the files that are there, and what to say of those that are not, or nothing."""
    folder = data_folder(spec, data_dir)
    files: dict[Split, tuple[Path, SplitFile]] = {}
    for split in SPLITS:
        for file in spec.files.get(split, ()):
            if (folder / file.name).is_file():
                files[split] = (folder / file.name, file)
                break
    missing = [split for split in SPLITS if split not in files]
    return files, _missing_files(spec, folder, missing, data_dir) if missing else ""


def _missing_files(spec: DatasetSpec, folder: Path, missing: Sequence[Split], data_dir: Path | None) -> str:
    lines = [f"Data set {spec.name!r} lacks its files for {', '.join(missing)}."]
    lines.append(f"Looked in: {folder}{'' if folder.is_dir() else ' (no such folder)'}")
    for split in missing:
        lines.append(f"  {split}: {' or '.join(file.name for file in spec.files.get(split, ())) or 'no known name'}")
    pickles = sorted(path.name for path in folder.glob("*.pkl")) + sorted(path.name for path in folder.glob("*.pickle"))
    if pickles:
        lines.append(f"Found {', '.join(pickles)}: pickles are never opened, because that can run code hidden in them.")
        lines.append("Bring the files named above instead.")
    lines.append(how_to_get(spec, data_dir))
    lines.append(
        f"Or put the files into that folder, or name the one that holds {spec.name + os.sep!r}: with --data-dir, with "
        f"the environment variable {ENVIRONMENT}, or by using the default, {_default_root()}."
    )
    return "\n".join(lines)


def _default_root() -> Path:
    import platformdirs

    return platformdirs.user_data_path("ercbench")


def load(spec: DatasetSpec, data_dir: Path | None = None, limit: int | None = None) -> Corpus:
    """Files -> Corpus: read and check all three splits.

    Before: the catalog. After: `examples`.

    Args:
        spec: the data set.
        data_dir: the folder that holds one folder per data set; see `data_root`.
        limit: keep only this many dialogues per split, the first ones; the checks see all of them.

    Raises:
        DataError: files are missing, broken, or not the version they should be. All problems are reported at once.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"The limit on dialogues must be at least 1. Got {limit}.")
    return check_files(spec, find_files(spec, data_dir), data_folder(spec, data_dir), limit)


def check_files(
    spec: DatasetSpec, files: Mapping[Split, tuple[Path, SplitFile]], folder: Path, limit: int | None = None
) -> Corpus:
    """Found files -> Corpus, or a `DataError` with every problem.

    Before: `find_files`. After: `examples`.

    Args:
        spec: the data set.
        files: one file per split.
        folder: where they are said to be from, for messages.
        limit: keep only the first dialogues of every split.
    """
    readings = read_files(files)
    copies = old_copies(spec, files)
    named = [(files[split][0].name, readings[split]) for split in SPLITS]
    problems = [problem for name, reading in named for problem in file_problems(reading, spec.labels, name)]
    if problems := problems or shared_problems(named):
        raise DataError(_broken_files(spec, folder, problems, copies))
    raw = {split: readings[split].dialogues for split in SPLITS}
    _check_counts(spec, raw, copies)
    splits = {split: to_dialogues(spec.name, split, raw[split][:limit]) for split in SPLITS}
    train, dev, test = (splits[split] for split in SPLITS)
    return Corpus(spec.name, spec.version, fingerprint(splits), spec.labels, train, dev, test)


def read_files(files: Mapping[Split, tuple[Path, SplitFile]]) -> dict[Split, Reading]:
    """Found files -> what the reader of each makes of it, problems included.

    Before: `find_files`. After: the checks.
    """
    return {split: load_target(file.reader)(path) for split, (path, file) in files.items()}


def old_copies(spec: DatasetSpec, files: Mapping[Split, tuple[Path, SplitFile]]) -> list[Problem]:
    """Found files -> one problem per file that is known to be of another version, told by its sha256."""
    if not spec.known_copies:
        return []
    found: list[Problem] = []
    for path, _ in files.values():
        try:
            name = named_copy(file_fingerprint(path).sha256, spec.known_copies)
        except OSError:  # the file's reader reports it
            continue
        if name is not None:
            found.append(Problem(path.name, f"is {name}.", f"The right files: {spec.source}."))
    return found


def corpus_fingerprints(corpus: Corpus, spec: DatasetSpec, data_dir: Path | None = None) -> Fingerprints:
    """Corpus -> its fingerprints at all three levels; the files are those that `load` read.

    Before: `load`. After: ``ercbench data``.
    """
    paths = {split: path for split, (path, _) in find_files(spec, data_dir).items()}
    return fingerprints({split: corpus.split(split) for split in SPLITS}, paths)


def _broken_files(spec: DatasetSpec, folder: Path, problems: Sequence[Problem], copies: Sequence[Problem]) -> str:
    many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"Data set {spec.name!r} in {folder} has {many}:"]
    lines += [f"- {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join([*lines, *map(str, copies)])


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
    corpus: Corpus, split: Split, past: int, protocol: ContextProtocol = "past", future: int = 0
) -> list[Example]:
    """Corpus -> Examples: every labelled utterance with its context, in file order, and without any label.

    This is where the context protocol is enforced: no later stage sees more of a dialogue than stands in an example.

    Before: `load`. After: ``rendering.py``.

    Args:
        corpus: a checked corpus.
        split: which of its splits.
        past: how many earlier turns of the dialogue to keep, unlabelled ones included; none under ``none``.
        protocol: what may be shown at all.
        future: how many later turns to keep, unlabelled ones included; none unless under ``full``.
    """
    window = (0 if protocol == "none" else past, future if protocol == "full" else 0)
    found = [example for dialogue in corpus.split(split) for example in _examples_of(dialogue, *window)]
    if protocol == "none":  # who spoke first is context too
        return [dataclasses.replace(example, speakers=(example.target.speaker,)) for example in found]
    return found


def _examples_of(dialogue: Dialogue, past: int, future: int) -> list[Example]:
    bare = [Utterance(u.uid, u.turn, u.speaker, u.text) for u in dialogue.utterances]
    found: list[Example] = []
    speakers: tuple[str, ...] = ()
    shown = 0
    for i, (utterance, target) in enumerate(zip(dialogue.utterances, bare, strict=True)):
        end = i + 1 + future
        speakers = tuple(dict.fromkeys((*speakers, *(turn.speaker for turn in bare[shown:end]))))
        shown = end
        if utterance.label is not None:
            found.append(Example(target, tuple(bare[max(0, i - past) : i]), tuple(bare[i + 1 : end]), speakers))
    return found


def gold(corpus: Corpus, split: Split) -> dict[str, int]:
    """Corpus -> label index by uid, in the order of `examples`.

    Before: `load`. After: training and ``scoring.py``, which alone see it.
    """
    index = {label.key: label.index for label in corpus.labels}
    return {u.uid: index[u.label] for d in corpus.split(split) for u in d.utterances if u.label is not None}


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
