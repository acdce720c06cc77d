"""``FOLDER/dataset.yaml`` -> DatasetSpec: somebody's own data set, with no code.

The file is composed, never constructed: YAML's nodes are turned into plain text, lists and mappings here, so that no
tag runs anything and every problem has the line it is on. Values are taken as they are written: the label ``no`` is
not false, and version 1.10 is not 1.1.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ercbench.errors import DataError
from ercbench.lines import Document, Place, compose
from ercbench.reading import Problem, read_text, shown
from ercbench.specs import DatasetSpec, SplitFile
from ercbench.types import SPLITS, LabelSet, Split

FILE = "dataset.yaml"
READERS = {
    ".csv": "ercbench.columns:read_csv",
    ".tsv": "ercbench.columns:read_tsv",
    ".jsonl": "ercbench.columns:read_jsonl",
}
"""The reader of each ending."""

RESERVED = ("all", "readme")
"""No data set may be called so: the first stands for the benchmark, the second is the index of the boards."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_KEY = re.compile(r"\w[\w .&/+'-]{0,63}")
_ALL_THREE = "A run trains on train, chooses on dev and scores test; ercbench makes no split by itself"


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of text that is not empty")
    return text.strip()


def _paragraph(text: str) -> str:
    if not text.strip() or not all(map(str.isprintable, text.replace("\t", " ").splitlines())):
        raise ValueError("must be text that is not empty")
    return text.strip()


def name_fault(text: str) -> str | None:
    """What is wrong with the name of a data set, or None."""
    if _NAME.fullmatch(text) and text not in RESERVED:
        return None
    return f"must be lower-case letters, digits, '.', '_' and '-', and not {' or '.join(RESERVED)}"


def _name(text: str) -> str:
    if fault := name_fault(text):
        raise ValueError(fault)
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Line = Annotated[str, AfterValidator(_line)]
Files = Annotated[list[Line], BeforeValidator(_as_list), Field(min_length=1)]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitFiles(_Fields):
    """The file or the files of each split."""

    train: Files
    dev: Files
    test: Files


class ColumnNames(_Fields):
    """What the columns are called in the files."""

    dialogue: Line = "dialogue"
    speaker: Line = "speaker"
    text: Line = "text"
    label: Line = "label"
    turn: Line | None = None


class Manifest(_Fields):
    """``dataset.yaml``. What has no default must be there."""

    name: Annotated[str, AfterValidator(_name)] | None = None
    version: Line = "1"
    summary: Line | None = None
    licence: Line
    citation: Annotated[str, AfterValidator(_paragraph)]
    source: Line | None = None
    labels: dict[str, Line]
    neutral: str | None
    files: SplitFiles
    columns: ColumnNames = ColumnNames()
    ranked: bool = True


def read_manifest(folder: Path) -> DatasetSpec:
    """A folder with a ``dataset.yaml`` -> DatasetSpec, whose files lie in that folder.

    Before: ``own.py``. After: ``data.py``.

    Raises:
        DataError: there is none, or something is wrong with it: everything at once, each with its line.
    """
    folder = Path(os.path.abspath(os.path.expanduser(folder)))
    if not (folder / FILE).is_file():
        raise DataError(_no_manifest(folder))
    text = read_text(folder / FILE, "Save it as UTF-8.")
    found = text if isinstance(text, Problem) else compose(FILE, text)
    if isinstance(found, Problem):
        raise DataError.listing(f"The data set in {folder}", [found])
    manifest = _validated(found, folder)
    if isinstance(manifest, list):
        raise DataError.listing(f"The data set in {folder}", manifest)
    return _spec(manifest, folder)


def _no_manifest(folder: Path) -> str:
    if not folder.is_dir():
        return f"There is no such folder. Got {folder}. Name a folder that holds a {FILE}."
    near = sorted(path.name for path in folder.glob("*.y*ml"))
    hint = f" It holds {', '.join(map(shown, near))}: rename it." if near else ""
    return f"The folder holds no {FILE}, which tells its labels and files. Got {folder}.{hint}"


def _validated(document: Document, folder: Path) -> Manifest | list[Problem]:
    """The manifest, or everything that is wrong with it, in the order of its lines."""
    manifest: Manifest | None = None
    found: list[tuple[Place, str]] = []
    try:
        manifest = Manifest.model_validate(document.values)
    except ValidationError as error:
        found += [_in_words(detail) for detail in error.errors()]
    values = document.values if isinstance(document.values, dict) else {}
    found += label_faults(values.get("labels"), values.get("neutral"))
    found += _file_faults(values.get("files"), folder)
    found += _column_faults(values.get("columns"))
    if manifest and not manifest.name and name_fault(_name_of(folder)):
        found.append(((), f"the folder's name makes no name for a data set. Got {shown(folder.name)}. Add: name: ..."))
    problems = [*document.problems, *(Problem(document.where(place), what) for place, what in found)]
    if not problems and manifest:
        return manifest
    return sorted(problems, key=lambda problem: document.line_of(problem.where))


def _in_words(detail: Any) -> tuple[Place, str]:
    """What pydantic found, in the words of this project."""
    place: Place = detail["loc"]
    path, kind, got = _path(place), detail["type"], f" Got {shown(detail['input'])}."
    match kind:
        case "missing":
            return place, f"{path} is missing: {_MEANING[path]}."
        case "extra_forbidden":
            known = _model_at(place[:-1]).model_fields
            near = difflib.get_close_matches(str(place[-1]), known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            return place, f"{shown(path)} is no field.{hint} Known here: {', '.join(known)}."
        case "value_error":
            return place, f"{path} {detail['ctx']['error']}.{got}"
        case "string_type" | "list_type" | "dict_type" | "model_type" | "bool_type" | "bool_parsing":
            return place, f"{path or 'the file'} must be {_KINDS[kind]}.{got}"
        case _:
            return place, f"{path}: {detail['msg']}.{got}"


def _path(place: Place) -> str:
    """``labels.ang``; what cannot be shown in a line as it is stands in quotes."""
    steps = [str(step) for step in place]
    return ".".join(step if step.isprintable() and len(step) <= 64 else shown(step) for step in steps)


_KINDS = {
    "string_type": "text",
    "list_type": "the name of a file, or a list of them",
    "dict_type": "a mapping, a line 'name: value' for each",
    "model_type": "a mapping, a line 'name: value' for each",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_MEANING = {
    "licence": "under which terms others may use the data",
    "citation": "how the data set is cited; write 'none' if there is nothing to cite",
    "labels": "each label of the files with the word shown to a model, such as 'ang: angry'",
    "neutral": "the label without emotion; write 'null' if there is none",
    "files": f"the files of train, dev and test. {_ALL_THREE}",
} | {f"files.{split}": f"the file, or a list of the files, of this split. {_ALL_THREE}" for split in SPLITS}


def _model_at(place: Place) -> type[BaseModel]:
    models: dict[object, type[BaseModel]] = {"files": SplitFiles, "columns": ColumnNames}
    return models[place[0]] if place else Manifest


def label_faults(labels: object, neutral: object) -> Iterator[tuple[Place, str]]:
    """What is wrong with labels and their words, whoever gives them: where, and what in words."""
    if not isinstance(labels, Mapping):
        return
    if len(labels) < 2:
        yield ("labels",), f"labels must be two or more. Got {shown(list(labels))}."
    first: dict[str, str] = {}
    for key, word in labels.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key) or key == "uid":
            allowed = "letters, digits, blanks and _ . & / + ' -, at most 64, and not 'uid'"
            yield ("labels", key), f"a label must be written with {allowed}. Got {shown(key)}."
        if not isinstance(word, str):
            continue
        other = first.setdefault(word.strip().casefold(), key)
        if other != key and word.strip():
            twins = f"{_path(('labels', key))} has the same word as {_path(('labels', other))}"
            what = f"{twins}, so no model can tell them apart. Got {shown(word)}."
            yield ("labels", key), what
    if isinstance(neutral, str) and neutral not in labels:
        near = difflib.get_close_matches(str(neutral), [str(key) for key in labels], n=1)
        hint = f" Did you mean {shown(near[0])}?" if near else ""
        yield ("neutral",), f"neutral must be one of the labels, or null. Got {shown(neutral)}.{hint}"


def _file_faults(files: object, folder: Path) -> Iterator[tuple[Place, str]]:
    seen: dict[Path, str] = {}
    for place, name in _named_files(files):
        if what := _file_fault(name, folder):
            yield place, f"files.{place[1]}: {what}"
            continue
        path = (folder / name).resolve()
        if path in seen:
            yield place, f"files.{place[1]}: the file is named for {seen[path]} already. Got {shown(name)}."
        seen.setdefault(path, str(place[1]))


def _named_files(files: object) -> Iterator[tuple[Place, str]]:
    """Every file's name with its place, as far as the manifest has the right form."""
    for split in SPLITS:
        named = files.get(split) if isinstance(files, dict) else None
        if isinstance(named, str):
            yield ("files", split), named.strip()
        elif isinstance(named, list):
            yield from ((("files", split, i), name.strip()) for i, name in enumerate(named) if isinstance(name, str))


def _file_fault(name: str, folder: Path) -> str | None:
    """What is wrong with one file's name, or None."""
    windows, got = PureWindowsPath(name), f" Got {shown(name)}."
    if windows.drive or windows.root or ".." in windows.parts:
        return f"a file must lie in the folder of the data set: write its name relative to it, without '..'.{got}"
    if PurePosixPath(name).suffix.lower() not in READERS:
        return f"a file's name must end in {', '.join(READERS)}.{got}"
    if not os.path.isfile(folder / name):  # where a name is impossible, `Path.is_file` raises
        near = difflib.get_close_matches(name, sorted(path.name for path in folder.iterdir()), n=1)
        return f"there is no such file in the folder.{got}" + (f" Did you mean {shown(near[0])}?" if near else "")
    return None


def _column_faults(columns: object) -> Iterator[tuple[Place, str]]:
    if not isinstance(columns, dict):
        return
    defaults = {field: field for field in ("dialogue", "speaker", "text", "label")}
    first: dict[str, str] = {}
    for field, column in {**defaults, **columns}.items():
        if field in ColumnNames.model_fields and isinstance(column, str):
            other = first.setdefault(column.strip(), field)
            if other != field:
                place: Place = ("columns", field if field in columns else other)
                yield place, f"columns.{field} and columns.{other} are the same column. Got {shown(column)}."


def _name_of(folder: Path) -> str:
    """A folder's name as a data set may be called: ``My Calls`` -> ``my-calls``."""
    return re.sub(r"[^a-z0-9._-]+", "-", folder.name.lower()).strip("-._")


def _spec(manifest: Manifest, folder: Path) -> DatasetSpec:
    name = manifest.name or _name_of(folder)
    columns = manifest.columns.model_dump(exclude_none=True)

    def files(split: Split) -> tuple[SplitFile, ...]:
        parts = [
            SplitFile(name=name, reader=READERS[PurePosixPath(name).suffix.lower()], columns=columns)
            for name in getattr(manifest.files, split)
        ]
        return (parts[0].model_copy(update={"more": tuple(parts[1:])}),)

    return DatasetSpec(
        name=name,
        summary=manifest.summary or f"The data set {name}",
        family=name,
        version=manifest.version,
        labels=LabelSet.of(manifest.labels, manifest.neutral),
        files={split: files(split) for split in SPLITS},
        ranked=manifest.ranked,
        licence=manifest.licence,
        source=manifest.source or f"whoever keeps {folder.name}/{FILE}",
        citation=manifest.citation,
        folder=folder,
    )
