"""A record's file -> a record, or everything that keeps it from being one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from ercbench.record_file import without_checksum
from ercbench.record_versions import READABLE, readable, upgraded
from ercbench.records import RunRecord
from ercbench.verification.findings import AGAIN, Finding, fault
from ercbench.verification.untrusted import RECORD_BYTES, Unreadable, parse_json, read_bytes


@dataclass(frozen=True)
class Subject:
    """A record that is being checked.

    Attributes:
        results: the folder that was given.
        file: the record's path from there.
        schema: the version that stands in the file.
    """

    results: Path
    file: str
    record: RunRecord
    schema: int

    def beside(self, name: str) -> str:
        """The path of a file in the record's own folder, from the folder that was given."""
        return str(PurePosixPath(self.file).parent / name)


def read_subject(results: Path, file: str) -> tuple[Subject | None, list[Finding]]:
    """A file -> the record in it and what is wrong with the file, or None and why."""
    try:
        data = parse_json(read_bytes(results, file, RECORD_BYTES))
    except Unreadable as error:
        return None, [fault(file, "the file", f"It {error}.")]
    version = data.get("schema_version")
    if not isinstance(version, int) or not readable(version):
        known = ", ".join(map(str, READABLE))
        fix = "Update ercbench, or run the record's command again."
        return None, [fault(file, "schema_version", f"This ercbench reads {known}.", fix, version)]
    values, damage = without_checksum(data)
    # What was changed is told as well, so this alone ends nothing.
    changed = (
        [fault(file, "sha256", f"The record was changed after it was written: {damage}.", AGAIN)] if damage else []
    )
    try:
        return Subject(results, file, RunRecord.model_validate(upgraded(values)), version), changed
    except ValidationError as error:
        return None, [*changed, *not_acceptable(file, error)]


def not_acceptable(file: str, error: ValidationError) -> list[Finding]:
    """What pydantic says of the fields of a file."""
    return [
        fault(file, ".".join(map(str, one["loc"])) or "the file", f"Not acceptable: {one['msg']}.", AGAIN, one["input"])
        for one in error.errors(include_url=False, include_context=False)
    ]
