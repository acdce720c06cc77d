"""A record's file: JSON that carries a checksum of itself, so that a bit that turned over on a disk is noticed.

The checksum is over the values in the file, not its bytes: another indentation or order of keys changes nothing. A
record from before schema version 5 has none. It guards against accidents and not against people, who can write another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from ercbench.errors import RecordError

KEY = "sha256"
AGAIN = "Bring the original back, or run its command again with --force."
"""What to do about a record, or a file beside it, that cannot be used."""


def text_of(values: Mapping[str, Any]) -> str:
    """The values of a record -> the text of its file, which ends with their checksum."""
    return json.dumps({**values, KEY: _sha256(values)}, indent=2, ensure_ascii=False) + "\n"


def read_values(path: Path) -> Mapping[str, Any]:
    """A record's file -> its values, none of which is checked; nothing where the file holds no JSON object.

    Raises:
        RecordError: it cannot be read, is no JSON, or was changed after it was written.
    """
    try:
        found = from_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot read the record: {error}. {AGAIN}") from error
    values, damage = without_checksum(found if isinstance(found, Mapping) else {})
    if damage:
        raise RecordError(f"{path} was changed after it was written: {damage}. {AGAIN}")
    return values


def without_checksum(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """What a record's file holds -> the values of the record, and what is wrong with their checksum, if anything."""
    if KEY not in values:
        return values, None
    kept = {key: value for key, value in values.items() if key != KEY}
    wanted, got = values[KEY], _sha256(kept)
    return kept, None if got == wanted else f"its sha256 should be {wanted!r:.80}. Got {got}"


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
