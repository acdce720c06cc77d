"""Records -> a report: every part in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ercbench.catalog import Catalog
from ercbench.report.blocks import Block, Paragraph, Part, Report
from ercbench.report.curves import training
from ercbench.report.emotions import confusion, emotions
from ercbench.report.find import find
from ercbench.report.gather import Section, System, gather
from ercbench.report.overview import overview, tiles
from ercbench.report.slice_scores import slices
from ercbench.report.space import label_vectors, test_vectors
from ercbench.report.trust import calibration, mistakes
from ercbench.report.versus import versus

Tell = Callable[[str], None]


def build(catalog: Catalog, paths: Sequence[Path], data_dir: Path | None, text: bool, tell: Tell) -> Report:
    """Paths of records and folders -> a report.

    Args:
        catalog: where data sets are looked up.
        paths: records, and folders that hold some; what is compared is compared with the first.
        data_dir: the folder of the data sets; where it is named, data that are not in it are an error.
        text: show the dialogue around mistakes where the data are at hand.
        tell: is told what takes its time, and what is left out.

    Raises:
        UsageError: a path leads to no record.
        RecordError: a record, its predictions or its vectors are damaged or do not belong together.
        DataError: the data are not in the folder that was named.
    """
    sections = gather(catalog, find(paths), data_dir, tell)
    parts = [_section(section, f"d{number}", text, tell) for number, section in enumerate(sections, 1)]
    names = _listed([section.name for section in sections])
    systems = list(dict.fromkeys(system.name for section in sections for system in section.systems))
    who = _listed(systems) if len(systems) < 4 else f"{len(systems)} systems"
    with_text = [section for section in sections if section.gold] if text else []
    return Report(f"Error report: {names}", f"What {who} got right and wrong on {names}.",
                  _banners(sections, with_text), parts, bool(with_text))  # fmt: skip


def _banners(sections: Sequence[Section], with_text: Sequence[Section]) -> list[Block]:
    """What must be known before this is passed on."""
    blocks: list[Block] = []
    for section in with_text:
        told = (
            f"This report shows dialogue text of {section.name}. Its terms: {section.licence or 'not known here'}. "
            "Do not publish it or pass it on where these do not allow that. --no-text leaves the text out."
        )
        blocks.append(Paragraph(told, "warning"))
    if labelled := [section.name for section in sections if section.gold and section not in with_text]:
        told = f"This report tells gold labels of single test utterances of {_listed(labelled)}, and no text."
        blocks.append(Paragraph(told, "note"))
    if without := [section.name for section in sections if not section.gold]:
        left_out = "intervals over dialogues, paired tests, calibration, mistakes"
        told = f"The data of {_listed(without)} were not at hand, so what needs gold labels is left out: {left_out}."
        blocks.append(Paragraph(told, "note"))
    return blocks


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _section(section: Section, name: str, text: bool, tell: Tell) -> Part:
    """A data set."""
    parts = overview(section, name)
    if len(section.systems) > 1:
        parts.append(versus(section, name))
    parts += [
        _system(section, system, f"{name}s{number}", text, tell) for number, system in enumerate(section.systems, 1)
    ]
    data = section.systems[0].record.dataset
    only = [tiles(section.systems[0], section.words)] if len(section.systems) == 1 else []
    return Part(f"{data.name}, version {data.version}", only, parts)


def _system(section: Section, system: System, name: str, text: bool, tell: Tell) -> Part:
    """A system on a data set."""
    return Part(
        system.name,
        [tiles(system, section.words)] if len(section.systems) > 1 else [],
        [
            emotions(section, system, name),
            confusion(section, system, name),
            slices(section, system, name),
            calibration(section, system, name),
            label_vectors(section, system, name),
            test_vectors(section, system, name, tell),
            training(system, name),
            mistakes(section, system, text),
        ],
    )
