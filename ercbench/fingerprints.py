"""What identifies a data set, at three levels: the files byte by byte, the content of all splits, that of each split.

The content fingerprint is the one that a record carries and a board sorts by. It is over who said what with which
label, so it is the same for two formats of the same dialogues. Part of ``data.py``; nothing here reads a format.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercbench.types import SPLITS, Dialogue, Split


@dataclass(frozen=True)
class FileFingerprint:
    """One file as it lies on disk: its name, its size in bytes, the hex sha256 of all of it."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Fingerprints:
    """All three levels.

    Attributes:
        content: of all splits together, ``sha256:...``; what a record carries.
        splits: of each split alone, so that a difference can be found.
        files: of each split's files.
    """

    content: str
    splits: Mapping[Split, str]
    files: Mapping[Split, tuple[FileFingerprint, ...]]


def fingerprints(splits: Mapping[Split, Sequence[Dialogue]], paths: Mapping[Split, Sequence[Path]]) -> Fingerprints:
    """Dialogues and the files they were read from -> Fingerprints.

    Before: ``data.py``. After: ``ercbench data``.

    Args:
        splits: the dialogues of each split.
        paths: the files of each split; none for a corpus that was read from no file.
    """
    return Fingerprints(
        content=fingerprint(splits),
        splits={split: split_fingerprint(splits[split]) for split in SPLITS},
        files={split: tuple(_apart(path, paths) for path in files) for split, files in paths.items()},
    )


def _apart(path: Path, paths: Mapping[Split, Sequence[Path]]) -> FileFingerprint:
    """One file, with its folder in its name where another split has a file of the same name."""
    found = file_fingerprint(path)
    same = {other for others in paths.values() for other in others if other.name == path.name}
    return replace(found, name=f"{path.parent.name}/{path.name}") if len(same) > 1 else found


def fingerprint(splits: Mapping[Split, Sequence[Dialogue]]) -> str:
    """Dialogues -> ``sha256:...`` of who said what with which label, whatever the format of the files.

    The text that is hashed is JSON without white space, in NFC: per split the dialogues, per dialogue the turns, each
    ``[speaker, text, label or null]``. The dialogues' own ids are not in it, because some formats have none; their
    order is.
    """
    return _sha256_of({split: _content(splits[split]) for split in SPLITS})


def split_fingerprint(dialogues: Sequence[Dialogue]) -> str:
    """Dialogues of one split -> ``sha256:...``, like `fingerprint` over the list of its dialogues."""
    return _sha256_of(_content(dialogues))


def file_fingerprint(path: Path) -> FileFingerprint:
    """Path -> FileFingerprint. An `OSError` is the caller's."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileFingerprint(path.name, file.tell(), digest)


def named_copy(sha256: str, copies: Mapping[str, str]) -> str | None:
    """Hex sha256 -> what a file with it is known as, or None.

    Args:
        sha256: of the file.
        copies: names by sha256, or by the first digits of one.
    """
    return next((name for start, name in copies.items() if sha256.startswith(start)), None)


def _content(dialogues: Sequence[Dialogue]) -> list[list[list[str | None]]]:
    return [[[_nfc(u.speaker), _nfc(u.text), u.label] for u in d.utterances] for d in dialogues]


def _sha256_of(content: object) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
