"""The schema versions of records: which can be read, and how one of an earlier version becomes one of this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SCHEMA_VERSION = 6
"""2: context protocols, slices, fingerprints of splits and files. 3: sealed predictions, similar label vectors.
4: what a curriculum chose for an epoch; a context of all turns. 5: utterances encoded at once; several processes; the
file carries its own checksum. 6: how hard all of train was in an epoch."""


def readable(version: object) -> bool:
    """Whether a record of this schema version can be read: a whole number, not text and not a truth value."""
    return type(version) is int and version in READABLE


def upgraded(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record's JSON, of a version in `READABLE`, as one of this version. Nothing in it is checked."""
    for earlier in range(data["schema_version"], SCHEMA_VERSION):
        data = _UPGRADES[earlier](data)
    return data


def _from_1(data: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 -> 2. Every run of version 1 showed earlier turns and no later ones, and scored no slices."""
    config: dict[str, Any] = {"context.protocol": "past", "context.future": 0}
    added = {"config": config, "protocol": {"context": "past"}}
    sections = {name: {**data[name], **more} for name, more in added.items() if isinstance(data.get(name), Mapping)}
    return {**data, **sections, "schema_version": 2}


def _from_2(data: Mapping[str, Any]) -> dict[str, Any]:
    """Version 2 -> 3. Earlier runs sealed nothing and did not compare label vectors."""
    return {**data, "schema_version": 3}


def _from_3(data: Mapping[str, Any]) -> dict[str, Any]:
    """Version 3 -> 4. Earlier runs trained every epoch on all of train."""
    return {**data, "schema_version": 4}


def _from_4(data: Mapping[str, Any]) -> dict[str, Any]:
    """Version 4 -> 5. Earlier runs encoded all that go together at once, on one process, and carry no checksum."""
    return {**data, "schema_version": 5}


def _from_5(data: Mapping[str, Any]) -> dict[str, Any]:
    """Version 5 -> 6. Earlier runs did not tell how hard what a curriculum left out was."""
    return {**data, "schema_version": 6}


_UPGRADES: Mapping[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
    4: _from_4,
    5: _from_5,
}
"""Schema version to what makes the next one of it."""
READABLE = (*_UPGRADES, SCHEMA_VERSION)
"""The schema versions that this ercbench reads."""
