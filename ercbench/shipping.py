"""What travels to another machine so that it can run one cell, and how it is told there that it is the same cell.

Text, bytes and plain values only, so that a machine can check what it is handed before anything of it is used. No file
system needs to be shared: the checked data set goes along, and so do local plugins. Installed plugins do not, and must
be there in the same version.

Before: grid.py, which checked the cell. After: working.py, which runs it over there.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ercbench.catalog import Catalog
from ercbench.cells import CellName
from ercbench.collecting import inside
from ercbench.data_files import data_folder, file_names, find_files
from ercbench.errors import CheckpointError, DataError, ErcbenchError, PluginError, Problems, UsageError
from ercbench.grid import Request
from ercbench.local_plugins import file_of
from ercbench.manifest import FILE
from ercbench.own import of_corpus
from ercbench.preparing import Prepared
from ercbench.provenance import MISSING, PACKAGES, package_versions, plugins
from ercbench.records import PluginIdentity
from ercbench.specs import DatasetSpec
from ercbench.types import SPLITS, Corpus, Dialogue, LabelSet, Utterance

Files = Mapping[str, bytes]
"""Content by name, which is relative and has ``/`` between its parts."""
CORPUS = "corpus.json"
Kind = Literal["named", "folder", "corpus"]


class Expected(BaseModel):
    """What the cell came to here, and must come to over there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    digest: str
    values: dict[str, JsonValue]
    fingerprint: str
    weights: str | None
    plugins: tuple[PluginIdentity, ...]
    packages: dict[str, str]


class Order(BaseModel):
    """One cell to be run.

    Attributes:
        cell: which one.
        kind: what the data set is: one that a plugin names, a folder with a manifest, a corpus in memory.
        folder: what its folder is called.
        threads: that the computation may use.
        attempts: how many machines may begin it.
        local_encoder: the path of the encoder where it is a folder, as the recipe names it.
        expected: what it came to here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: CellName
    kind: Kind
    folder: str
    overrides: dict[str, JsonValue]
    limit: int | None
    device: str | None
    chunk: int | None
    keep_model: bool
    trackers: dict[str, dict[str, JsonValue]]
    threads: int = Field(ge=1)
    attempts: int = Field(ge=1)
    local_encoder: str | None
    expected: Expected


def order_of(prepared: Prepared, seed: int, request: Request, device: str | None, limits: tuple[int, int]) -> Order:
    """A cell of a plan -> what another machine is told of it.

    Args:
        prepared: the checked cell.
        seed: of the run.
        request: what was asked for.
        device: that it is to compute on over there; None for the fastest.
        limits: threads of a run, and attempts.
    """
    config, checkpoint = prepared.config, prepared.checkpoint
    spec = config.dataset
    on_disk = checkpoint is not None and checkpoint.origin == "local folder"
    return Order(
        cell=prepared.cell(seed),
        kind=_kind(spec),
        folder=spec.folder.name if spec.folder else spec.name,
        overrides=dict(config.overrides),
        limit=prepared.limit,
        device=device,
        chunk=request.chunk,
        keep_model=request.keep_model,
        trackers={name: dict(settings) for name, settings in request.trackers.items()},
        threads=limits[0],
        attempts=limits[1],
        local_encoder=str(getattr(config.encoder.settings, "checkpoint", "")) if on_disk else None,
        expected=_expected(prepared, seed),
    )


def read_order(text: str, node: str) -> Order:
    """JSON -> Order.

    Raises:
        PluginError: it comes from another ercbench.
    """
    try:
        return Order.model_validate_json(text)
    except ValidationError as error:
        here = package_versions(("ercbench",))["ercbench"]
        raise PluginError(
            f"{node} has ercbench {here}, which cannot read what the command sends: it is of another version. Install "
            "the same version of ercbench on all machines."
        ) from error


def _expected(prepared: Prepared, seed: int) -> Expected:
    checkpoint = prepared.checkpoint
    return Expected(
        identity=prepared.identity(seed),
        digest=prepared.config.digest,
        values=dict(prepared.config.values),
        fingerprint=prepared.corpus.fingerprint,
        weights=(checkpoint.sha256 or checkpoint.revision) if checkpoint else None,
        plugins=tuple(plugins(prepared.catalog, prepared.config)),
        packages=_packages(),
    )


def _packages() -> dict[str, str]:
    return package_versions(PACKAGES) | {"python": platform.python_version()}


def _kind(spec: DatasetSpec) -> Kind:
    return "corpus" if spec.corpus is not None else "folder" if spec.folder is not None else "named"


def files_of(spec: DatasetSpec, data_dir: Path | None) -> Files:
    """DatasetSpec -> the files that it is read from; none where it comes with its plugin.

    Raises:
        DataError: they are not there any more, or cannot be read.
    """
    if spec.corpus is not None:
        return {CORPUS: json.dumps(_plain(spec.corpus), ensure_ascii=False).encode()}
    if spec.bundled is not None:
        return {}
    folder = data_folder(spec, data_dir)
    names = {name: None for _, file in find_files(spec, data_dir).values() for name in file_names(file)}
    if spec.folder is not None:
        names[FILE] = None
    try:
        return {PurePosixPath(Path(name)).as_posix(): (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise DataError(f"A file of data set {spec.name!r} cannot be read: {error}. Bring it back.") from error


def plugin_files(catalog: Catalog) -> Files:
    """The local plugins as they were loaded."""
    return {file.path.name: file.source for plugin in catalog.local if (file := file_of(plugin.module))}


def _plain(corpus: Corpus) -> dict[str, Any]:
    """A corpus as plain values; uids are made anew from what is here."""
    return {
        "name": corpus.name,
        "version": corpus.version,
        "fingerprint": corpus.fingerprint,
        "labels": {label.key: label.text for label in corpus.labels},
        "neutral": corpus.labels.neutral,
        **{
            split: [[d.key, [[u.speaker, u.text, u.label] for u in d.utterances]] for d in corpus.split(split)]
            for split in SPLITS
        },
    }


def _corpus(text: bytes) -> Corpus:
    """What `_plain` made -> the corpus. Whoever loads it checks it as any other."""
    found = json.loads(text)
    name = found["name"]
    train, dev, test = (
        tuple(
            Dialogue(key, tuple(Utterance(f"{name}/{split}/{d}/{t}", t, *turn) for t, turn in enumerate(turns)))
            for d, (key, turns) in enumerate(found[split])
        )
        for split in SPLITS
    )
    labels = LabelSet.of(found["labels"], found["neutral"])
    return Corpus(name, found["version"], found["fingerprint"], labels, train, dev, test)


def unpack(order: Order, files: Files, folder: Path) -> Request:
    """An order and its data set's files -> the request that makes the same cell, with everything below `folder`."""
    data = folder / "data"
    cell, folder_name = order.cell, inside(order.folder)
    dataset: str | DatasetSpec = cell.dataset
    if order.kind == "corpus":
        dataset = of_corpus(_corpus(files[CORPUS]))
    elif files:
        lay_out(files, data / folder_name)
        if order.kind == "folder":
            dataset = str(data / folder_name)
    return Request(
        recipes=[cell.recipe.rpartition("@")[0]],
        datasets=[dataset],
        track=cell.track,
        seeds=[cell.seed],
        overrides=order.overrides,
        context=cell.context,
        limit=order.limit,
        data_dir=data if files and order.kind == "named" else None,
        results=folder / "results",
        device=order.device,
        chunk=order.chunk,
        keep_model=order.keep_model,
        trackers=order.trackers,
    )


def lay_out(files: Files, folder: Path) -> list[Path]:
    """Write files below a folder, and nowhere else."""
    paths = []
    for name, content in files.items():
        path = folder / inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


def check_plugins(order: Order, catalog: Catalog, node: str) -> None:
    """See that what is installed here is what was installed where the command was given.

    Raises:
        PluginError: a distribution is missing or of another version; all of them at once.
    """
    here = {plugin.distribution: plugin.version for plugin in catalog.plugins if not plugin.sha256}
    here["ercbench"] = package_versions(("ercbench",))["ercbench"]
    wanted = {one.distribution: one.version for one in order.expected.plugins if not one.sha256}
    wanted["ercbench"] = order.expected.packages["ercbench"]
    if errors := other_versions(node, here, wanted):
        raise errors[0] if len(errors) == 1 else Problems(errors)


def other_versions(node: str, here: Mapping[str, str], wanted: Mapping[str, str]) -> list[ErcbenchError]:
    """What a machine lacks, or has in other versions, of the distributions that are wanted."""
    return [
        PluginError(
            f"{node} lacks {name}, which the run needs. Install it: pip install {name}=={version}"
            if found == MISSING
            else f"{node} has {name} {found}, and the command was given where there is {name} {version}. "
            f"Install the same: pip install {name}=={version}"
        )
        for name, version in wanted.items()
        if (found := here.get(name, MISSING)) != version
    ]


def other_packages(order: Order, node: str) -> list[str]:
    """What is of another version here without being refused: numbers may differ in their last digits."""
    here = _packages()
    differing = [
        f"{name} {here[name]} and not {version}"
        for name, version in order.expected.packages.items()
        if here[name] != version and name != "ercbench"
    ]
    return [f"{node} has {', '.join(differing)}: numbers may differ a little; records say which."] if differing else []


def check_encoder(order: Order, node: str) -> None:
    """See that an encoder that was a folder is one here.

    Raises:
        CheckpointError: it is not.
    """
    if order.local_encoder is not None and not Path(order.local_encoder).expanduser().is_dir():
        raise CheckpointError(
            f"The encoder is a folder, and {node} has none of that path. Got {order.local_encoder}. Copy it to "
            "the same absolute path on every machine, and name it so."
        )


def check_cell(order: Order, prepared: Prepared, node: str) -> None:
    """See that a cell comes to the same here as where the command was given.

    Raises:
        UsageError: it does not.
    """
    expected, found = order.expected, _expected(prepared, order.cell.seed)
    differing = prepared.config.differences(expected.values)
    for name in ("digest", "fingerprint", "weights", "identity"):
        if getattr(expected, name) != getattr(found, name):
            differing.append(f"{name} ({getattr(found, name)} and not {getattr(expected, name)})")
    if differing:
        raise UsageError(
            f"On {node} the run comes to something else than where the command was given. Differs in: "
            f"{', '.join(differing)}. Install the same versions of everything on all machines."
        )


def plugin_paths(files: Files, folder: Path) -> Sequence[Path]:
    """Local plugins, written where they can be loaded from."""
    return lay_out(files, folder / "plugins")
