"""What a check is, what it finds, and how one is run: by itself, reproducibly, without a network."""

from __future__ import annotations

import inspect
import random
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import JsonValue

from ercbench.catalog import Catalog, Plugin, load_target
from ercbench.specs import PartSpec, Settings, Spec

Outcome = Literal["passed", "failed", "skipped", "known"]
S = TypeVar("S", bound=Spec)
P = TypeVar("P", bound=PartSpec)


class CheckFailed(AssertionError):
    """What a check found wrong, in words."""


class CheckSkipped(Exception):
    """Why a check does not apply, in words."""


def need(condition: object, found: str) -> None:
    """Fail the check with `found` where the condition does not hold."""
    if not condition:
        raise CheckFailed(found)


@dataclass(frozen=True)
class Check:
    """One promise, and the function that sees whether it is kept.

    Attributes:
        kind: of the thing checked: ``loss``, ``encoder`` and so on.
        name: unique within the kind.
        run: given the thing, it raises `CheckFailed` or `CheckSkipped`, or whatever the thing raises.
    """

    kind: str
    name: str
    run: Callable[[Any], None]

    @property
    def id(self) -> str:
        """``loss/batch-of-one``."""
        return f"{self.kind}/{self.name}"

    @property
    def promise(self) -> str:
        """What holds where the check passes."""
        return self._paragraphs[0]

    @property
    def advice(self) -> str:
        """What to change where it fails."""
        return self._paragraphs[1]

    @property
    def _paragraphs(self) -> list[str]:
        return [" ".join(text.split()) for text in inspect.cleandoc(self.run.__doc__ or "").split("\n\n")]


def checks_of(kind: str, *functions: Callable[[Any], None]) -> tuple[Check, ...]:
    """Functions -> checks. The docstring's first paragraph is the promise, the second says what to change."""
    return tuple(Check(kind, function.__name__.replace("_", "-"), function) for function in functions)


@dataclass(frozen=True)
class Result:
    """What came of one check.

    Attributes:
        kind: of the thing checked.
        part: its name.
        check: name of the check.
        outcome: ``passed``, ``failed``, ``skipped``, or ``known`` for a failure that is listed with a reason.
        message: what was found and what to change, why it was skipped, or the reason of a known failure.
        seconds: how long it took.
    """

    kind: str
    part: str
    check: str
    outcome: Outcome
    message: str
    seconds: float

    @property
    def id(self) -> str:
        """``loss/my-loss/batch-of-one``, by which a known failure is listed."""
        return f"{self.kind}/{self.part}/{self.check}"


@dataclass(frozen=True)
class Options:
    """What the checks of a plugin may be told.

    Attributes:
        settings: for a part whose defaults cannot be used as they are: values by setting, by ``kind/name``.
        data_dir: folder with one folder per data set; None looks in the usual places.
    """

    settings: Mapping[str, Mapping[str, JsonValue]]
    data_dir: Path | None = None


NO_OPTIONS = Options({})


class Subject(Generic[S]):
    """The thing that is checked, and what is known around it. Its checks share it, and may keep results in `memo`."""

    kind: str

    def __init__(self, spec: S, plugin: Plugin, catalog: Catalog, options: Options = NO_OPTIONS) -> None:
        self.spec, self.plugin, self.catalog, self.options = spec, plugin, catalog, options
        self.memo: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """As messages and ids show it."""
        return self.spec.name


class PartSubject(Subject[P]):
    """A part that is built from settings."""

    def settings(self, **values: JsonValue) -> Settings:
        """Its settings: `values`, over what the author gave, over the defaults."""
        given = self.options.settings.get(f"{self.kind}/{self.name}", {})
        return self.spec.settings(**{**values, **given})

    def target(self) -> Any:
        """What builds it."""
        return load_target(self.spec.target)


@dataclass(frozen=True)
class Case:
    """One check of one thing."""

    check: Check
    subject: Any

    @property
    def id(self) -> str:
        """``loss/my-loss/batch-of-one``."""
        return f"{self.check.kind}/{self.subject.name}/{self.check.name}"

    def run(self) -> Result:
        """Run the check; whatever is raised becomes a result."""
        begun = time.perf_counter()
        outcome, message = self._outcome()
        seconds = round(time.perf_counter() - begun, 3)
        return Result(self.check.kind, self.subject.name, self.check.name, outcome, message, seconds)

    def _outcome(self) -> tuple[Outcome, str]:
        try:
            with no_network(), reproducible():
                self.check.run(self.subject)
        except CheckSkipped as reason:
            return "skipped", str(reason)
        except CheckFailed as found:
            return "failed", f"{found} {self.check.advice}"
        # A part may raise anything; that is what the check has found.
        except (Exception, SystemExit) as error:
            return "failed", f"{_raised(error)} {self.check.advice}"
        return "passed", ""


def _raised(error: BaseException) -> str:
    """An exception in one line: its type, its message, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"Raised {type(error).__name__}{where}: {str(error) or 'without a message'}".rstrip(".") + "."


class NetworkRefused(OSError):
    """A part asked for the network while it was checked."""


@contextmanager
def no_network() -> Iterator[None]:
    """Refuse every connection and name look-up beyond this machine within."""
    kept = connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_far(address[0] if isinstance(address, tuple) else address)
        connect(self, address)

    def guarded_look_up(host: Any, *arguments: Any, **named: Any) -> Any:
        _refuse_far(host)
        return look_up(host, *arguments, **named)

    socket.socket.connect, socket.getaddrinfo = guarded_connect, guarded_look_up  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = kept  # type: ignore[method-assign]


def _refuse_far(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    here = name in (None, "", "localhost", "::1") or str(name).startswith(("127.", "/", "\0"))
    if not here:
        raise NetworkRefused("asked for the network, which a check does not have")


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread, which is the fastest for tiny inputs, and the same random numbers in every check; neither outside."""
    import torch

    state, threads = random.getstate(), torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        random.seed(0)
        try:
            yield
        finally:
            random.setstate(state)
            torch.set_num_threads(threads)
