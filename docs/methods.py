"""A reference page per method, from the specs of its recipe and parts and from the records. See ``generate.py``."""

from __future__ import annotations

import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from pydantic import BaseModel
from tabulate import tabulate

from ercbench.catalog import Catalog, load_catalog, load_target
from ercbench.config import Config, resolve
from ercbench.leaderboard.markdown import escape
from ercbench.records import RunRecord
from ercbench.specs import PartSpec, Recipe, TrackSpec

DATASET = "meld"
"""Values are told as they are for this one; those for others stand below."""
SECTIONS = ("renderer", "encoder", "losses", "curriculum", "classifier", "selection", "context", "training")


def pages(marker: str, records: Sequence[RunRecord]) -> dict[str, str]:
    """File name -> text, of every method and of their index.

    Args:
        marker: the first line.
        records: those that numbers are taken from.
    """
    catalog = load_catalog()
    found = {recipe.name: recipe for recipe in catalog.all(Recipe)}
    texts = {f"{name}.md": _page(marker, catalog, recipe, records) for name, recipe in found.items()}
    rows = [[f"[{name}]({name}.md)", escape(recipe.summary), _best(name, records)] for name, recipe in found.items()]
    table = tabulate(rows, ["Recipe", "What it is", "Records"], tablefmt="github", disable_numparse=True)
    about = "Every recipe that comes with ercbench. `ercbench run RECIPE --dataset meld` runs one."
    return {"index.md": f"{marker}\n\n# Methods\n\n{about}\n\n{table}\n", **texts}


def _best(name: str, records: Sequence[RunRecord]) -> str:
    """On which data sets there are records."""
    return ", ".join(sorted({record.dataset.name for record in _of(name, records)})) or "none yet"


def _page(marker: str, catalog: Catalog, recipe: Recipe, records: Sequence[RunRecord]) -> str:
    """The page of one recipe."""
    configs = {track.name: resolve(catalog, recipe.name, track.name, DATASET, {}) for track in catalog.all(TrackSpec)}
    first = next(iter(configs.values()))
    blocks = [
        marker,
        f"# {recipe.name}",
        f"{escape(recipe.summary)}.",
        "\n".join(_facts(catalog, recipe)),
        "## Parts",
        _parts(first),
        "## Parameters",
        f"On {DATASET.upper()}, by track. For another data set: `ercbench show {recipe.name} --dataset NAME`.",
        _parameters(configs),
        "## Numbers and cost",
        _numbers(recipe.name, records),
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(catalog: Catalog, recipe: Recipe) -> Iterator[str]:
    """What it is and where it comes from."""
    yield f"- Version {recipe.version}" + ("" if recipe.ranked else "; never ranked")
    yield f"- Reference: {escape(recipe.reference)}"
    if recipe.differs:
        yield f"- Differs from it: {escape(recipe.differs)}"
    if recipe.base:
        yield f"- Derived from [{recipe.base}]({recipe.base}.md), from which it differs in:"
        yield from (f"    - `{path}`: {_value(value)}" for path, value in recipe.values.items())


def _parts(config: Config) -> str:
    """What it is made of, and how each part differs from its paper."""
    named: list[tuple[str, PartSpec]] = [("renderer", config.renderer.spec), ("encoder", config.encoder.spec)]
    named += [("loss", loss.part.spec) for loss in config.losses.values()]
    named += [("curriculum", config.curriculum.spec)] if config.curriculum else []
    named += [("classifier", config.classifier.spec)]
    rows = [
        [kind, f"`{spec.name}`", escape(spec.summary), escape(spec.reference or "none"), escape(_differs(spec))]
        for kind, spec in named
    ]
    header = ["Part", "Name", "What it does", "Reference", "Differs from it"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def _differs(spec: PartSpec) -> str:
    """The section **Differs from the paper** of what builds a part, in one line."""
    text = inspect.getdoc(load_target(spec.target)) or ""
    found = re.search(r"\*\*Differs from the paper\*\*: (.*?)(?:\n\n|\Z)", text, re.DOTALL)
    differs = " ".join(found.group(1).split()).replace("`", "").rstrip(".") if found else ""
    return "" if differs == "does not apply" else differs


def _parameters(configs: Mapping[str, Config]) -> str:
    """Every value by track, with what it means."""
    paths = {path: None for section in SECTIONS for config in configs.values() for path in config.values
             if path.startswith(f"{section}.")}  # fmt: skip
    about = {path: text for config in configs.values() for path, text in _descriptions(config).items()}
    rows = [
        [f"`{path}`", *(_value(config.values[path]) if path in config.values else "" for config in configs.values()),
         escape(about.get(path, ""))]
        for path in paths
    ]  # fmt: skip
    return tabulate(rows, ["Path", *configs, "Meaning"], tablefmt="github", disable_numparse=True)


def _descriptions(config: Config) -> dict[str, str]:
    """What each path means, from the fields of the settings."""
    models: dict[str, type[BaseModel]] = {
        "renderer": type(config.renderer.settings),
        "encoder": type(config.encoder.settings),
        "classifier": type(config.classifier.settings),
        "selection": type(config.selection),
        "context": type(config.context),
        "training": type(config.training),
        **({"curriculum": type(config.curriculum.settings)} if config.curriculum else {}),
        **{f"losses.{name}": type(loss.part.settings) for name, loss in config.losses.items()},
    }
    found = {
        f"{prefix}.{name}": field.description or ""
        for prefix, model in models.items()
        for name, field in model.model_fields.items()
    }
    return found | {f"losses.{name}.weight": "weight of the loss in the total" for name in config.losses}


def _value(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")


def _of(name: str, records: Sequence[RunRecord]) -> list[RunRecord]:
    """The records of a recipe that ran as it is, on whole data sets that are not samples."""
    return [r for r in records if r.recipe.name == name and not r.overrides and r.dataset.limit is None
            and r.dataset.ranked]  # fmt: skip


def _numbers(name: str, records: Sequence[RunRecord]) -> str:
    """Scores and seconds per run, by data set, track, context protocol and version."""
    groups: defaultdict[tuple[str, ...], list[RunRecord]] = defaultdict(list)
    for record in _of(name, records):
        key = (record.dataset.name, record.track, record.protocol.context, record.recipe.version)
        groups[key].append(record)
    if not groups:
        return "There are no records of it yet."
    rows = [[*key, *_row(found)] for key, found in sorted(groups.items())]
    header = ["Data set", "Track", "Context", "Version", "Weighted F1", "Macro F1", "Seeds", "Seconds"]
    about = (
        "From the records in `leaderboards/`: means over seeds on test, x 100, with the standard deviation. "
        "Seconds are those of all stages of the longest run; vectors of a frozen encoder are computed by the first run "
        "that needs them, of whatever recipe, and then come from the cache."
    )
    return f"{about}\n\n{tabulate(rows, header, tablefmt='github', disable_numparse=True)}"


def _row(found: Sequence[RunRecord]) -> list[str]:
    """Of the seeds of one row."""
    tests = [record.scores.test for record in found]
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for record in found:
        seconds[record.environment.hardware].append(sum(record.seconds.values()))
    return [
        _spread([test.weighted_f1 for test in tests]),
        _spread([test.macro_f1 for test in tests]),
        str(len(found)),
        "; ".join(f"{_whole(max(of))} on {escape(hardware)}" for hardware, of in sorted(seconds.items())),
    ]


def _whole(seconds: float) -> str:
    """Without a fraction where that says nothing."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in points."""
    deviation = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.2f}{deviation}"
