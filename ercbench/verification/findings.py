"""What a check says of a record: which file, which field, what stands there, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

from ercbench.reading import Problem
from ercbench.verification.untrusted import printable, shown

Kind = Literal["fault", "unverified", "note"]
"""``fault``: something is wrong. ``unverified``: it could not be told. ``note``: a reader should know it."""

MANY = 20
"""Findings of one kind in one file that are listed before the rest is only counted."""

AGAIN = "Bring the file back as its run wrote it, or run the record's command again."
NOTHING = object()
"""Stands for a value that there is none of, since null is one."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        kind: how bad it is.
        file: path from the folder that was checked.
        field: dotted path in a record, row or column of a table, or ``the file``.
        what: what is wrong with it, a sentence.
        recorded: what stands there, as text; None where there is nothing to show.
        found: what it should be or was found to be, as text; None where there is nothing to show.
        fix: what to do, sentences.
    """

    kind: Kind
    file: str
    field: str
    what: str
    recorded: str | None = None
    found: str | None = None
    fix: str = ""

    @property
    def problem(self) -> Problem:
        """The same as `Problem`."""
        values = [("Recorded", self.recorded), ("Found", self.found)]
        told = " ".join(f"{name}: {value}." for name, value in values if value is not None)
        return Problem(f"{self.file}: {self.field}", f"{self.what} {told}".strip(), self.fix)

    def __str__(self) -> str:
        """One line that does nothing to a terminal, whatever the file held."""
        return printable(str(self.problem))

    def as_json(self) -> dict[str, str | None]:
        """Every attribute."""
        return asdict(self)


def fault(
    file: str, field: str, what: str, fix: str = AGAIN, recorded: object = NOTHING, found: object = NOTHING
) -> Finding:
    """Something is wrong. `recorded` and `found` are values of any kind."""
    return Finding("fault", file, field, what, _text(recorded), _text(found), fix)


def note(file: str, field: str, what: str, recorded: object = NOTHING, found: object = NOTHING) -> Finding:
    """Something that a reader should know; nothing is wrong."""
    return Finding("note", file, field, what, _text(recorded), _text(found))


def unverified(file: str, field: str, what: str, fix: str) -> Finding:
    """It could not be told whether something is wrong."""
    return Finding("unverified", file, field, what, fix=fix)


def few(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first `MANY` findings of one kind, then how many more there are."""
    rest = iter(findings)
    yield from islice(rest, MANY)
    if last := next(rest, None):
        more = 1 + sum(1 for _ in rest)
        yield Finding(last.kind, last.file, last.field, f"and {more} more such {'thing' if more == 1 else 'things'}.")


def _text(value: object) -> str | None:
    return None if value is NOTHING else shown(value)
