"""Every error that is a user's to mend, in one tree. Anything else that surfaces is a bug and prints a traceback.

::

    ErcbenchError                 exit code 1
    +-- UsageError                2   an option or argument cannot be used
    |   +-- UnknownName           2   no such recipe, data set, track or part
    |   +-- BadSetting            2   a recipe's value is not acceptable
    |   +-- Busy                  2   another process is at the same run
    +-- DataError                 3   data files are missing, broken, or not what they claim to be
    +-- PluginError               4   a plugin cannot be loaded or hands over something unusable
    +-- CheckpointError           5   an encoder's weights or tokenizer cannot be used
    +-- TrainingError             6   training cannot go on (a loss that is not finite, for instance)
    +-- RecordError               7   a record, a predictions file or a board is broken, out of date or not what it says
    +-- FetchError                8   data files cannot be downloaded, or what arrives is not what it should be
    +-- WriteError                9   a file cannot be written: the disk is full, or the folder may not be written to
    +-- Problems                  the exit code of the first of several errors reported together
    +-- RunsFailed                the exit code of the first of several cells that failed; the others are done

What a run on another machine raised comes back as `failures.RemoteError`, with the exit code that it had there.
A run that is stopped ends with 130 after Ctrl-C and with 143 after SIGTERM; the same command goes on.
``ercbench verify`` ends with 7 where something is wrong, and with 3 where only the data are missing to tell.
A message says what is wrong, with which object and value ("Got ..."), and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class ErcbenchError(Exception):
    """Base of all errors that print one message, without a traceback, and end the program with `exit_code`."""

    exit_code = 1
    lasting = True
    """Whether the same command would meet it again, so that a run which failed of it waits for ``--retry-failed``."""


class UsageError(ErcbenchError):
    """An option or argument cannot be used."""

    exit_code = 2


class BadSetting(UsageError):
    """A recipe's value is not acceptable."""


class Busy(UsageError):
    """Another process is at the same run."""

    lasting = False


class UnknownName(UsageError):
    """A name that nothing is registered under. Suggests near names and lists what exists."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.name = name
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        message = f"Unknown {kind}. Got {name!r}."
        if near:
            message += f" Did you mean {' or '.join(near)}?"
        message += f" Known: {', '.join(names) if names else 'none'}."
        super().__init__(message + (f" {hint}" if hint else ""))


class DataError(ErcbenchError):
    """Data files are missing, broken, or not what they claim to be."""

    exit_code = 3

    SHOWN = 50

    @classmethod
    def listing(cls, subject: str, problems: Sequence[object], notes: Sequence[object] = ()) -> DataError:
        """One error of many problems, a line each, up to `SHOWN`; `subject` is what has them, `notes` come last."""
        many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"{subject} has {many}:", *(f"- {problem}" for problem in problems[: cls.SHOWN])]
        if len(problems) > cls.SHOWN:
            lines.append(f"and {len(problems) - cls.SHOWN} more")
        return cls("\n".join([*lines, *map(str, notes)]))


class PluginError(ErcbenchError):
    """A plugin cannot be loaded or hands over something unusable."""

    exit_code = 4


class CheckpointError(ErcbenchError):
    """An encoder's weights or tokenizer cannot be used."""

    exit_code = 5


class TrainingError(ErcbenchError):
    """Training cannot go on."""

    exit_code = 6


class RecordError(ErcbenchError):
    """A record, a predictions file or a board is broken, out of date or not what it says."""

    exit_code = 7


class FetchError(ErcbenchError):
    """Data files cannot be downloaded, or what arrives is not what it should be."""

    exit_code = 8


class WriteError(ErcbenchError):
    """A file cannot be written. Nothing half-written has its name, and what was finished before is kept.

    Attributes:
        reason: what the system says, such as ``No space left on device``.
    """

    exit_code = 9
    lasting = False

    def __init__(self, path: object, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{path} cannot be written. Got: {reason}. What was finished before is kept. Make room, or see that the "
            "folder may be written to, and start the same command again."
        )


class Problems(ErcbenchError):
    """Several errors found in one go, so that all of them can be mended at once."""

    def __init__(self, errors: Sequence[ErcbenchError]) -> None:
        self.errors = tuple(errors)
        self.exit_code = self.errors[0].exit_code
        lines = [f"{len(self.errors)} problems; nothing was started."]
        lines += [f"{number}. {error}" for number, error in enumerate(self.errors, 1)]
        super().__init__("\n".join(lines))


class RunsFailed(ErcbenchError):
    """Some cells ended without a record; all others are done."""

    def __init__(self, lines: Sequence[str], exit_code: int) -> None:
        self.exit_code = exit_code
        many = "1 run failed" if len(lines) == 1 else f"{len(lines)} runs failed"
        super().__init__(
            "\n".join(
                [f"{many}; the others are done. Try again with --retry-failed.", *(f"- {line}" for line in lines)]
            )
        )
