"""The manifest of a submission: what it holds, who sent it, and whether that is what lies there.

``submission.py`` writes it. No path in it is ever opened: what lies in the folder is compared with what it lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ercbench.catalog import Catalog
from ercbench.contamination import contamination
from ercbench.records import PluginIdentity, RunRecord
from ercbench.verification.findings import Finding, fault, note
from ercbench.verification.reading import not_acceptable
from ercbench.verification.untrusted import RECORD_BYTES, TABLE_BYTES, Unreadable, parse_json, read_bytes

MANIFEST, README = "manifest.json", "README.md"
TOP = (MANIFEST, README, "records")
"""What a submission holds beside its records, and nothing else."""
PACK = "Pack the runs again: ercbench submit RUN... --to DIR."


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Submitter(_Frozen):
    """Who sends it, as far as they wish to be known."""

    name: str | None = None
    contact: str | None = None


class ListedFile(_Frozen):
    """One file below ``records/``."""

    path: str
    sha256: str
    size: Annotated[int, Field(ge=0)]


class ListedRecord(_Frozen):
    """One run: what it is, what it scored, and how to make it again. `weighted_f1` is a fraction, of test."""

    file: str
    recipe: str
    dataset: str
    track: str
    context: str
    seed: int
    weighted_f1: float
    signature: str
    reasons_not_to_rank: tuple[str, ...]
    contamination: tuple[str, ...]
    command: str


class Manifest(_Frozen):
    """What ``manifest.json`` holds."""

    schema_version: Literal[1] = 1
    made_with: str
    submitter: Submitter = Submitter()
    records: tuple[ListedRecord, ...]
    plugins: tuple[PluginIdentity, ...]
    files: tuple[ListedFile, ...]


@dataclass(frozen=True)
class Found:
    """A record, and its path from the folder."""

    file: str
    record: RunRecord


def listed(found: Found, catalog: Catalog) -> ListedRecord:
    """A record -> its entry in a manifest."""
    record = found.record
    return ListedRecord(
        file=found.file,
        recipe=f"{record.recipe.name}@{record.recipe.version}",
        dataset=record.dataset.name,
        track=record.track,
        context=record.protocol.context,
        seed=record.seed,
        weighted_f1=record.scores.test.weighted_f1,
        signature=record.signature,
        reasons_not_to_rank=tuple(record.unranked_reasons),
        contamination=contamination(record, catalog),
        command=record.command,
    )


def plugins_of(records: Iterable[RunRecord]) -> tuple[PluginIdentity, ...]:
    """Every plugin that took part, once per version, sorted."""
    found = dict.fromkeys(plugin for record in records for plugin in record.plugins)
    return tuple(sorted(found, key=lambda plugin: (plugin.distribution, plugin.version, plugin.sha256 or "")))


def measured(folder: Path, path: str) -> ListedFile:
    """A file of a folder -> its entry in a manifest.

    Raises:
        Unreadable: it cannot be read.
    """
    content = read_bytes(folder, path, TABLE_BYTES)
    return ListedFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def read_manifest(folder: Path) -> tuple[Manifest | None, list[Finding]]:
    """``manifest.json`` of a folder -> Manifest, or None and why."""
    try:
        return Manifest.model_validate(parse_json(read_bytes(folder, MANIFEST, RECORD_BYTES * 16))), []
    except Unreadable as error:
        return None, [fault(MANIFEST, "the file", f"It {error}.", PACK)]
    except ValidationError as error:
        return None, not_acceptable(MANIFEST, error)


def check_submission(
    folder: Path, files: Sequence[str], records: Sequence[Found], catalog: Catalog
) -> Iterator[Finding]:
    """A submission is what its manifest says, and holds nothing else.

    Args:
        folder: that holds the manifest.
        files: what lies below ``records/``.
        records: those that could be read.
        catalog: of the installed plugins.
    """
    for entry in sorted(folder.iterdir()):
        if entry.name not in TOP:
            yield fault(entry.name, "the file", "It is no part of a submission.", "Remove it.")
    manifest, wrong = read_manifest(folder)
    yield from wrong
    if manifest is None:
        return
    yield from _files(folder, files, manifest)
    wanted = {found.file: listed(found, catalog).model_dump(mode="json") for found in records}
    given = {one.file: one.model_dump(mode="json") for one in manifest.records}
    yield from _compared(given, wanted, "records")
    made, named = plugins_of(found.record for found in records), manifest.plugins
    if named != made:
        of, by = ([f"{one.distribution} {one.version}" for one in plugins] for plugins in (named, made))
        yield fault(MANIFEST, "plugins", "They are not those of the records.", PACK, of, by)


def _files(folder: Path, files: Sequence[str], manifest: Manifest) -> Iterator[Finding]:
    """Every file that is listed is there, unchanged, and every file that is there is listed."""
    there: dict[str, Mapping[str, object]] = {}
    for path in files:
        try:
            there[path] = measured(folder, path).model_dump(mode="json")
        except Unreadable as error:
            yield fault(path, "the file", f"It {error}.", PACK)
    yield from _compared({one.path: one.model_dump(mode="json") for one in manifest.files}, there, "files")
    for name, entries in (
        ("files", [one.path for one in manifest.files]),
        ("records", [r.file for r in manifest.records]),
    ):
        if len(set(entries)) < len(entries):
            yield fault(MANIFEST, name, "It lists something twice.", PACK)


def _compared(
    given: Mapping[str, Mapping[str, object]], wanted: Mapping[str, Mapping[str, object]], section: str
) -> Iterator[Finding]:
    """Entries of the manifest against what lies there."""
    for path in dict.fromkeys((*given, *wanted)):
        field = f"{section}[{path}]"
        if path not in wanted:
            yield fault(MANIFEST, field, "There is no such thing in the folder that could be read.", PACK)
        elif path not in given:
            yield fault(MANIFEST, field, "It is in the folder, and the manifest does not list it.", PACK)
        else:
            for name, value in wanted[path].items():
                if given[path][name] != value:
                    tell = note if name == "contamination" else _fault  # other plugins may be installed here
                    yield tell(MANIFEST, f"{field}.{name}", "It is not what lies there.", given[path][name], value)


def _fault(file: str, field: str, what: str, recorded: object, found: object) -> Finding:
    return fault(file, field, what, PACK, recorded, found)
