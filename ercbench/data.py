"""Stage 1: files -> Corpus -> Examples. Every check of the data, and the fingerprint that a record carries."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercbench.catalog import load_target
from ercbench.data_checks import count, count_problems, file_problems, shared_problems
from ercbench.errors import DataError, UsageError
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, Corpus, Dialogue, Example, RawDialogue, RawTurn, Reading, Split, Utterance

ENVIRONMENT = "ERCBENCH_DATA"

Readings = Mapping[Split, tuple[str, Reading]]
"""Per split what it is called in messages, a file's name as a rule, and what was read of it."""


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
    """The folder of one data set: its own, inside the package that bundles it, or below `data_root`."""
    if spec.folder is not None:
        return spec.folder
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
    folder = data_folder(spec, data_dir)
    files: dict[Split, tuple[Path, SplitFile]] = {}
    for split in SPLITS:
        for file in spec.files.get(split, ()):
            if all((folder / part.name).is_file() for part in (file, *file.more)):
                files[split] = (folder / file.name, file)
                break
    if missing := [split for split in SPLITS if split not in files]:
        raise DataError(_missing_files(spec, folder, missing))
    return files


def _missing_files(spec: DatasetSpec, folder: Path, missing: Sequence[Split]) -> str:
    lines = [f"Data set {spec.name!r} lacks its files for {', '.join(missing)}."]
    lines.append(f"Looked in: {folder}{'' if folder.is_dir() else ' (no such folder)'}")
    for split in missing:
        names = (" with ".join(part.name for part in (file, *file.more)) for file in spec.files.get(split, ()))
        lines.append(f"  {split}: {' or '.join(names) or 'no known name'}")
    pickles = sorted(path.name for path in folder.glob("*.pkl")) + sorted(path.name for path in folder.glob("*.pickle"))
    if pickles:
        lines.append(f"Found {', '.join(pickles)}: pickles are never opened, because that can run code hidden in them.")
        lines.append("Bring the files named above instead.")
    lines.append(f"Where they come from: {spec.source}")
    if spec.folder is not None:
        return "\n".join(lines)
    lines.append(
        f"Put them into that folder, or name the folder that holds {spec.name + os.sep!r}: with --data-dir, with the "
        f"environment variable {ENVIRONMENT}, or by using the default, {_default_root()}."
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
    if spec.corpus is not None:
        return check(spec, _readings_of(spec.corpus), limit)
    folder = data_folder(spec, data_dir)
    files = find_files(spec, data_dir)
    return check(spec, {split: _read(split, folder, file) for split, (_, file) in files.items()}, limit, str(folder))


def check(spec: DatasetSpec, readings: Readings, limit: int | None = None, place: str = "") -> Corpus:
    """Readings -> Corpus: every check of the data, for files as for a data set in memory.

    Args:
        spec: the data set.
        readings: of all three splits.
        limit: dialogues to keep per split; the checks see all of them.
        place: the folder they come from, for the message.

    Before: a reader. After: `examples`.

    Raises:
        DataError: whatever is wrong with them, all of it at once.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"The limit on dialogues must be at least 1. Got {limit}.")
    named = list(readings.values())
    problems = [problem for name, reading in named for problem in file_problems(reading, spec.labels, name)]
    if problems := problems or shared_problems(named):
        raise DataError.listing(f"Data set {spec.name!r}{place and ' in '}{place}", problems)
    raw = {split: reading.dialogues for split, (_, reading) in readings.items()}
    _check_counts(spec, raw)
    splits = {split: _dialogues(spec.name, split, raw[split][:limit]) for split in SPLITS}
    train, dev, test = (splits[split] for split in SPLITS)
    return Corpus(spec.name, spec.version, fingerprint(splits), spec.labels, train, dev, test)


def _read(split: Split, folder: Path, file: SplitFile) -> tuple[str, Reading]:
    """The file of a split, or all its files as one; then every place begins with the name of its file."""
    paths = [(folder / part.name, part) for part in (file, *file.more)]
    parts = [(path.name, _read_file(path, part)) for path, part in paths]
    if len(parts) == 1:
        return parts[0]
    dialogues = tuple(_placed(dialogue, name) for name, reading in parts for dialogue in reading.dialogues)
    return split, Reading(dialogues, tuple(problem for _, reading in parts for problem in reading.problems))


def _read_file(path: Path, file: SplitFile) -> Reading:
    reader = load_target(file.reader)
    reading: Reading = reader(path) if file.columns is None else reader(path, file.columns)
    return reading


def _placed(dialogue: RawDialogue, name: str) -> RawDialogue:
    return RawDialogue(dialogue.key, tuple(replace(turn, row=f"{name}, {turn.row}") for turn in dialogue.turns))


def _readings_of(corpus: Corpus) -> Readings:
    """A corpus as if it had just been read, so that one somebody put together is checked as files are."""
    return {
        split: (split, Reading(tuple(_raw(dialogue, d) for d, dialogue in enumerate(corpus.split(split)))))
        for split in SPLITS
    }


def _raw(dialogue: Dialogue, position: int) -> RawDialogue:
    place = f"dialogue {position}, turn"
    turns = (RawTurn(u.speaker, u.text, u.label, "", f"{place} {t}") for t, u in enumerate(dialogue.utterances))
    return RawDialogue(dialogue.key, tuple(turns))


def _check_counts(spec: DatasetSpec, raw: Mapping[Split, Sequence[RawDialogue]]) -> None:
    differences: list[str] = []
    for split in SPLITS:
        if split in spec.expected:
            differences += count_problems(split, count(raw[split]), spec.expected[split])
    if differences:
        lines = [f"The files of data set {spec.name!r} are not those of version {spec.version!r}.", *differences]
        raise DataError("\n".join([*lines, f"Where the right files come from: {spec.source}"]))


def _dialogues(name: str, split: Split, raw: Sequence[RawDialogue]) -> tuple[Dialogue, ...]:
    """Give every turn its uid."""
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


def fingerprint(splits: Mapping[Split, Sequence[Dialogue]]) -> str:
    """Dialogues -> ``sha256:...`` of who said what with which label, whatever the format of the files.

    The text that is hashed is JSON without white space, in NFC: per split the dialogues, per dialogue the turns, each
    ``[speaker, text, label or null]``.
    """
    content = {
        split: [[[_nfc(u.speaker), _nfc(u.text), u.label] for u in d.utterances] for d in splits[split]]
        for split in SPLITS
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def examples(corpus: Corpus, split: Split, past: int) -> list[Example]:
    """Corpus -> Examples: every labelled utterance with its context, in file order, and without any label.

    Before: `load`. After: ``rendering.py``.

    Args:
        corpus: a checked corpus.
        split: which of its splits.
        past: how many earlier turns of the dialogue to keep, unlabelled ones included.
    """
    return [example for dialogue in corpus.split(split) for example in _examples_of(dialogue, past)]


def _examples_of(dialogue: Dialogue, past: int) -> list[Example]:
    bare = [Utterance(u.uid, u.turn, u.speaker, u.text) for u in dialogue.utterances]
    found: list[Example] = []
    speakers: tuple[str, ...] = ()
    for i, (utterance, target) in enumerate(zip(dialogue.utterances, bare, strict=True)):
        if target.speaker not in speakers:
            speakers += (target.speaker,)
        if utterance.label is not None:
            found.append(Example(target, tuple(bare[max(0, i - past) : i]), speakers=speakers))
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
