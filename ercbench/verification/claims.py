"""A record against itself: its names, its place, its command, its protocol, and what it says it chose."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ercbench.config import Selection
from ercbench.prediction_files import predictions_name, sealed_name
from ercbench.provenance import python_call, written
from ercbench.records import RunRecord, record_path
from ercbench.selection import choose
from ercbench.verification.findings import AGAIN, Finding, fault, few, note
from ercbench.verification.reading import Subject

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""As `specs.Name` has it: whatever a plugin or an own data set can be called."""
VERSION = re.compile(r"\d+(\.\d+)*")
RENAME = "Names are lower-case letters, digits, '.', '_' and '-'. Use the name that the plugin gives."
FREE = ("config", "overrides")
"""Sections whose text may hold any character: they are never shown on a board."""


def claims(subject: Subject) -> Iterator[Finding]:
    """Everything that a record can be asked without its data and without the plugins that made it."""
    yield from _names(subject)
    yield from few(_invisible(subject))
    yield from _place(subject)
    yield from _command(subject)
    yield from _protocol(subject)
    yield from _training(subject)
    yield from _chosen(subject)
    yield from _encoder(subject)
    yield from _similarity(subject)


def sound_names(record: RunRecord) -> bool:
    """Whether the names in a record may be looked up, as a folder's name too."""
    return all(NAME.fullmatch(name) for name in (record.recipe.name, record.dataset.name, record.track))


def _names(subject: Subject) -> Iterator[Finding]:
    record = subject.record
    names = {"recipe.name": record.recipe.name, "dataset.name": record.dataset.name, "track": record.track}
    for field, name in names.items():
        if not NAME.fullmatch(name):
            yield fault(subject.file, field, "It is no name.", RENAME, name)
    if not VERSION.fullmatch(record.recipe.version):
        fix = "A version is numbers with points between them."
        yield fault(subject.file, "recipe.version", "It is no version.", fix, record.recipe.version)


def _invisible(subject: Subject) -> Iterator[Finding]:
    """Characters that a terminal or a page obeys instead of showing them."""
    sections = subject.record.model_dump(mode="json")
    waiting: list[tuple[str, object]] = [(key, value) for key, value in sections.items() if key not in FREE]
    while waiting:
        field, value = waiting.pop(0)
        if isinstance(value, str) and any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in value):
            yield fault(subject.file, field, "It holds characters that cannot be seen.", AGAIN, value)
        elif isinstance(value, dict):
            waiting += [(f"{field}.{key}", inner) for key, inner in value.items()]
            waiting += [(f"{field}, a key", key) for key in value]
        elif isinstance(value, list):
            waiting += [(f"{field}[{number}]", inner) for number, inner in enumerate(value)]


def _place(subject: Subject) -> Iterator[Finding]:
    """A record lies where its content says; the parts of the path are named by the fields that they come from."""
    record = subject.record
    recipe = f"{record.recipe.name}@{record.recipe.version}"
    path = record_path(Path(), record.dataset.name, record.track, recipe, record.seed, record.protocol.context)
    wanted, found = path.as_posix().split("/"), subject.file.split("/")
    fix = f"Its place is {path.as_posix()}. Move it there with its predictions, or bring the record back as it was."
    if len(wanted) != len(found):
        yield fault(subject.file, "the file", "It lies where its content does not belong.", fix)
        return
    fields = ("the file", "dataset.name", "track", "recipe", "seed")
    for field, of_record, of_path in zip(fields, wanted, found, strict=True):
        if of_record != of_path:
            yield fault(subject.file, field, "It is not that of the place.", fix, of_record, of_path)


def _command(subject: Subject) -> Iterator[Finding]:
    """The command makes this very cell, and a shell that reads it does nothing else."""
    record = subject.record
    wanted = _options(record)
    if record.dataset.own is not None and record.command == _call(record, wanted):
        return
    fix = "Write the command of this record, or run it again."
    try:
        words = shlex.split(record.command)
    except ValueError as error:
        yield fault(subject.file, "command", f"A shell cannot read it: {error}.", fix, record.command)
        return
    if shlex.join(words) != record.command or words[:3] != ["ercbench", "run", record.recipe.name]:
        begin = f"ercbench run {record.recipe.name}"
        yield fault(subject.file, "command", "It does not plainly run the recipe.", fix, record.command, begin)
        return
    found: dict[str, list[str]] = {}
    for option, value in zip(words[3::2], [*words[4::2], ""], strict=False):
        found.setdefault(option, []).append(value)
    if record.dataset.own is not None and re.fullmatch(r"\./[^/]+", found.get("--dataset", [""])[0]):
        wanted["--dataset"] = found["--dataset"][:1]  # the folder of somebody's own data set may be called anything
    found |= {"--plugin": sorted(found["--plugin"])} if "--plugin" in found else {}
    for option in dict.fromkeys((*wanted, *found)):
        if wanted.get(option) != found.get(option):
            given, right = (" ".join(of.get(option, [])) for of in (found, wanted))
            yield fault(subject.file, f"command {option}", "It is not what the record says.", fix, given, right)


def _options(record: RunRecord) -> dict[str, list[str]]:
    """The options of the command that makes a record, as ``provenance.command`` writes them."""
    options = {"--dataset": [record.dataset.name], "--track": [record.track], "--seed": [str(record.seed)]}
    if record.protocol.context != "past":
        options["--context"] = [record.protocol.context]
    if record.overrides:
        options["--set"] = [f"{path}={written(value)}" for path, value in record.overrides.items()]
    if record.dataset.limit is not None:
        options["--limit"] = [str(record.dataset.limit)]
    if files := [plugin.distribution for plugin in record.plugins if plugin.sha256]:
        options["--plugin"] = sorted(files)
    if record.environment.processes > 1:
        options["--processes"] = [str(record.environment.processes)]
    return options


def _call(record: RunRecord, options: Mapping[str, Sequence[str]]) -> str:
    """The same for a corpus that was in memory."""
    values: dict[str, object] = {"track": record.track, "seeds": [record.seed]}
    values |= {"context": record.protocol.context} if "--context" in options else {}
    values |= {"overrides": record.overrides} if record.overrides else {}
    values |= {} if record.dataset.limit is None else {"limit": record.dataset.limit}
    values |= {"plugins": list(options["--plugin"])} if "--plugin" in options else {}
    return python_call(record.recipe.name, record.dataset.name, values)


def _protocol(subject: Subject) -> Iterator[Finding]:
    """The protocol is what the resolved values come to."""
    protocol, config = subject.record.protocol, subject.record.config
    by = (config.get("selection.split"), config.get("selection.ties"))
    wanted = {
        "selection_split": "test" if "test" in by else "dev",
        "context": config.get("context.protocol"),
        "context_past": config.get("context.past"),
        "context_future": config.get("context.future"),
    }
    for name, value in wanted.items():
        if getattr(protocol, name) != value:
            what = "It is not what config says."
            yield fault(subject.file, f"protocol.{name}", what, AGAIN, getattr(protocol, name), value)


def _training(subject: Subject) -> Iterator[Finding]:
    """The epochs are those that the values ask for, and the files are called after the seed."""
    record = subject.record
    training, config, seed = record.training, record.config, record.seed
    numbers = [epoch.epoch for epoch in training.epochs]
    sealed = training.sealed
    claims = {
        "training.epochs": (numbers, list(range(1, len(numbers) + 1))),
        "training.epochs, their number": (len(numbers), config.get("training.epochs", len(numbers))),
        "training.effective_batch": (training.effective_batch, config.get("training.batch_size")),
        "predictions.file": (record.predictions.file, predictions_name(seed)),
        "training.sealed.file": (sealed and sealed.file, sealed and sealed_name(seed)),
    }
    for field, (recorded, found) in claims.items():
        if recorded != found:
            yield fault(subject.file, field, "It is not what the rest of the record says.", AGAIN, recorded, found)
    if sealed is None and training.epochs and config.get("selection.seal_test"):
        yield note(subject.file, "training.sealed", "Nothing is sealed, though selection.seal_test asks for it.")
    yield from _shares(subject)


def _shares(subject: Subject) -> Iterator[Finding]:
    """Who encoded what decides which units are dropped out, and the command does not tell all of it."""
    epochs = subject.record.training.epochs
    processes = [epoch.processes for epoch in epochs]
    if len(set(processes)) > 1:
        what = "Other processes went on with it, so with dropout its command gives other numbers."
        yield note(subject.file, "training.epochs.processes", what, processes)
    chunks = [epoch.chunk for epoch in epochs]
    if any(chunks):
        what = "Utterances were encoded in pieces; with dropout its command gives these numbers with the same --chunk."
        yield note(subject.file, "training.epochs.chunk", what, chunks)


def _chosen(subject: Subject) -> Iterator[Finding]:
    """What was chosen is the first of the best on dev; a choice by test is told, and its scores are not recorded."""
    training, config = subject.record.training, subject.record.config
    dev = [epoch.dev_weighted_f1 for epoch in training.epochs]
    if config.get("selection.split") == "test" and dev:
        what = "The epoch was chosen on test, whose scores per epoch no record holds. It cannot be checked here."
        yield note(subject.file, "training.chosen_epoch", what, training.chosen_epoch)
    else:
        best = dev.index(max(dev)) + 1 if dev else 0
        if training.chosen_epoch != best:
            what = "It is not the first of the best on dev."
            yield fault(subject.file, "training.chosen_epoch", what, AGAIN, training.chosen_epoch, best)
    states = training.candidates_dev_weighted_f1
    if not states:
        yield fault(
            subject.file, "training.candidates_dev_weighted_f1", "A classifier has a state at least.", AGAIN, states
        )
        return
    yield from _chosen_state(subject, states)


def _chosen_state(subject: Subject, states: Sequence[float]) -> Iterator[Finding]:
    """The state of the classifier that was kept, and its score on dev."""
    chosen, field = subject.record.training.chosen_candidate, "training.chosen_candidate"
    try:
        ties = "test" if subject.record.config.get("selection.ties") == "test" else "first"
        best = choose(Selection(ties=ties), states, _untold) + 1
    except _Untold:
        yield note(
            subject.file, field, "States that tie on dev were told apart by test. It cannot be checked here.", chosen
        )
        best = chosen if chosen <= len(states) else len(states)
    if chosen != best:
        yield fault(subject.file, field, "It is not the first of the best on dev.", AGAIN, chosen, best)
        return
    score = subject.record.scores.dev.weighted_f1
    if score != states[chosen - 1]:
        what = "It is not the dev score of the state that was chosen."
        yield fault(subject.file, "scores.dev.weighted_f1", what, AGAIN, score, states[chosen - 1])


class _Untold(Exception):
    """A choice needs a score that no record holds."""


def _untold(index: int) -> float:
    raise _Untold


def _encoder(subject: Subject) -> Iterator[Finding]:
    """The encoder is the one that the values name; of a local folder a record tells the name alone."""
    record = subject.record
    asked = record.config.get("encoder.checkpoint") or record.config.get("encoder.name")
    names = {asked, PurePosixPath(str(asked)).name} if record.encoder.origin == "local folder" else {asked}
    if record.encoder.checkpoint not in names:
        what = "It is not the checkpoint of config."
        yield fault(subject.file, "encoder.checkpoint", what, AGAIN, record.encoder.checkpoint, asked)


def _similarity(subject: Subject) -> Iterator[Finding]:
    """Cosines of the label vectors with each other: as many as labels, from -1 to 1."""
    similarity, labels = subject.record.training.prototype_similarity, len(subject.record.scores.test.per_class)
    for name in ("before", "after") if similarity else ():
        table: list[list[float]] = getattr(similarity, name)
        square = len(table) == labels and all(len(row) == labels for row in table)
        if not square or any(abs(cosine) > 1 for row in table for cosine in row):
            what = f"It is no table of cosines, {labels} x {labels}."
            yield fault(subject.file, f"training.prototype_similarity.{name}", what, AGAIN, table)
