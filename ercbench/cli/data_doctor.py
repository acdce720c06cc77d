"""``ercbench data doctor``: prints what `data_report.py` found, as text, JSON or a page of Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ercbench.data_report import DataReport, Examined, PairReport, SplitReport
    from ercbench.overlap import Amount, Shared
    from ercbench.reading import Problem, RawDialogue

EXAMPLES = 5
"""Texts that ``--show-text`` shows per pair of splits."""

DEFINITIONS = (
    "Labelled utterances of the first split are looked up among all turns of the second. Normalised: in lower case, "
    "runs of a-z and 0-9 with one space between them. Long, in brackets: five such runs or more."
)
PAIR_COLUMNS = (
    "", "utterances", "exact text", "normalised text", "against labelled turns alone", "shared speakers",
)  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """Everything that is printed."""

    report: DataReport
    other: DataReport | None
    pairs: Mapping[str, PairReport]
    examples: Mapping[str, list[Shared]]
    show_text: bool

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the files, without the values they hold unless text is to be shown."""
        found = [*self.report.problems, *(self.other.problems if self.other else ())]
        return found if self.show_text else [without_values(problem) for problem in found]


@click.command()
@click.argument("name")
@click.argument("other", required=False)
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path),
              help="Folder with one folder per data set.  [default: $ERCBENCH_DATA, else user data]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=False, flag_value="-", metavar="[FILE]",
              help="Write a page of Markdown to FILE, or print it.")  # fmt: skip
@click.option("--show-text", is_flag=True, help="Show texts that two splits share, and the values of broken rows.")
def doctor(
    name: str, other: str | None, data_dir: Path | None, as_json: bool, markdown: str | None, show_text: bool
) -> None:
    """Examine the data set NAME: counts, labels, order, repeats, and texts that test shares with train.

    With OTHER, texts that the two data sets share are counted too. Broken files are examined as far as they can be
    read. The exit code says whether the files are what they should be; texts in two splits are no failure. No line of
    dialogue is printed without --show-text.

    \b
    Examples:
      ercbench data doctor meld
      ercbench data doctor emorynlp meld --json
      ercbench data doctor iemocap --markdown iemocap.md
    """  # noqa: D301
    from ercbench.errors import DataError, UsageError

    if as_json and markdown == "-":
        raise UsageError("--json and --markdown cannot both be printed. Give --markdown a file, or leave one out.")
    findings = _examine(name, other, data_dir, show_text)
    if markdown is not None and markdown != "-":
        from ercbench.whole_files import write_atomically

        write_atomically(Path(markdown), as_markdown(findings))
    if markdown == "-":
        click.echo(as_markdown(findings), nl=False)
    else:
        click.echo(json.dumps(as_plain_values(findings), indent=2) if as_json else as_text(findings))
    if findings.problems:
        many = "1 problem" if len(findings.problems) == 1 else f"{len(findings.problems)} problems"
        raise DataError(f"The files are not what they should be: {many}, listed in the report.")


def _examine(name: str, other: str | None, data_dir: Path | None, show_text: bool) -> Findings:
    from ercbench.catalog import load_catalog
    from ercbench.data_report import across, examine
    from ercbench.errors import UsageError
    from ercbench.own import find_dataset

    catalog = load_catalog()
    specs = [find_dataset(catalog, wanted) for wanted in (name, other) if wanted is not None]
    if len(specs) > 1 and specs[0].name == specs[1].name:
        raise UsageError(f"The two data sets must differ. Got {name!r} twice. Leave the second out.")
    examined = [examine(spec, data_dir) for spec in specs]
    pairs = dict(examined[0].report.pairs)
    if len(examined) > 1:
        pairs |= across(*examined)
    second = examined[1].report if len(examined) > 1 else None
    return Findings(examined[0].report, second, pairs, _examples(examined, pairs) if show_text else {}, show_text)


def _examples(examined: Sequence[Examined], pairs: Mapping[str, PairReport]) -> dict[str, list[Shared]]:
    """The longest texts of every pair. The key of a pair names its sides, with the data set where there are two."""
    from ercbench.overlap import shared_texts

    named: dict[str, Sequence[RawDialogue]] = {str(split): found for split, found in examined[0].dialogues.items()}
    for one in examined:
        named |= {f"{one.report.name} {split}": found for split, found in one.dialogues.items()}
    found = {}
    for key in pairs:
        left, _, right = key.partition(" in ")
        found[key] = shared_texts(named[left], named[right], EXAMPLES)
    return {key: shared for key, shared in found.items() if shared}


def without_values(problem: Problem) -> Problem:
    """A problem without what it quotes from the file: a value may be a line of dialogue."""
    from ercbench.reading import Problem

    what = re.sub(r"(?s)['\"].*['\"]", "'...'", problem.what.partition(" Got ")[0])
    return Problem(problem.where, what, problem.fix)


def as_plain_values(findings: Findings) -> dict[str, Any]:
    """Findings -> what JSON can say."""
    from dataclasses import asdict

    report = asdict(findings.report) | {"folder": str(findings.report.folder)}
    report["pairs"] = {key: asdict(pair) for key, pair in findings.pairs.items()}
    report["problems"] = [asdict(problem) for problem in findings.problems]
    if findings.other is not None:
        other = findings.other
        report["other"] = {"name": other.name, "version": other.version, "fingerprint": other.fingerprint}
    if findings.show_text:
        report["examples"] = {key: [asdict(one) for one in shared] for key, shared in findings.examples.items()}
    return {"ok": not findings.problems, **report}


def as_text(findings: Findings) -> str:
    """Findings -> text for a terminal."""
    from tabulate import tabulate

    report = findings.report
    splits = tabulate(
        split_rows(report), headers=("", *report.splits), disable_numparse=True, stralign="right",
        colalign=("left", *["right"] * len(report.splits)),
    )  # fmt: skip
    pairs = tabulate(
        pair_rows(findings.pairs), headers=PAIR_COLUMNS, disable_numparse=True,
        colalign=("left", *["right"] * (len(PAIR_COLUMNS) - 1)),
    )  # fmt: skip
    lines = [f"{report.name}, version {report.version}, in {report.folder}", _whole(report), "", splits, "", pairs]
    lines += ["", DEFINITIONS]
    for key, shared in findings.examples.items():
        lines += ["", f"{key}, the longest:", *(f"  {one.where}: {_visible(one.text)}" for one in shared)]
    lines += ["", *([f"Problems: {len(findings.problems)}"] if findings.problems else ["Problems: none"])]
    return "\n".join([*lines, *(f"- {problem}" for problem in findings.problems)])


def _whole(report: DataReport) -> str:
    return f"Content: {report.fingerprint or 'no fingerprint, because files are broken or missing'}"


def _visible(text: str) -> str:
    """Text from a file on one line, without characters that a terminal acts on."""
    return "".join(character if character.isprintable() else " " for character in text)


def as_markdown(findings: Findings) -> str:
    """Findings -> a page of Markdown, without the local folder. Whatever comes from the files is escaped."""
    from ercbench.leaderboard.markdown import escape, table

    report = findings.report
    both = [report, findings.other] if findings.other else [report]
    command = " ".join(["ercbench data doctor", *(one.argument for one in both)])
    lines = [
        f"# {escape(report.name)}, version {escape(report.version)}",
        "",
        f"Printed by `{command} --markdown`.",
        "",
    ]
    lines += [escape(_whole(report)) + "  ", "", "## Splits", ""]
    lines += [table(("", *(f">{split}" for split in report.splits)), split_rows(report)), "", "## Overlap", ""]
    lines += [escape(DEFINITIONS), ""]
    columns = ("", *(f">{column}" for column in PAIR_COLUMNS[1:]))
    lines += [table(columns, pair_rows(findings.pairs)), ""]
    for key, shared in findings.examples.items():
        lines += [f"### {escape(key)}, the longest", ""]
        lines += [*(f"- {escape(one.where)}: {escape(one.text)}" for one in shared), ""]
    lines += ["## Problems", ""]
    lines += [f"- {escape(problem.where)}: {escape(problem.what)}" for problem in findings.problems] or ["None."]
    return "\n".join([*lines, ""])


def split_rows(report: DataReport) -> list[list[str]]:
    """The rows of the table of splits: a name, and a cell for every split that is there."""
    splits = list(report.splits.values())
    rows: list[tuple[str, list[str]]] = [
        ("file", [", ".join(file.name for file in split.files) for split in splits]),
        ("sha256 of the file", [", ".join(file.sha256[:12] for file in split.files) for split in splits]),
        *([("known as", [split.copy or "" for split in splits])] if any(split.copy for split in splits) else []),
        ("content", [(split.fingerprint or "none").removeprefix("sha256:")[:12] for split in splits]),
        ("dialogues", [f"{split.dialogues}" for split in splits]),
        ("dialogues of one turn", [f"{split.one_turn_dialogues}" for split in splits]),
        ("turns", [f"{split.turns}" for split in splits]),
        ("labelled utterances", [f"{split.labelled}" for split in splits]),
    ]
    labels = list(splits[0].labels)
    rows += [(f"label {key}", [_share(split.labels[key], split.labelled) for split in splits]) for key in labels]
    if any(split.unknown_labels for split in splits):
        rows.append(("unknown labels", [f"{split.unknown_labels}" for split in splits]))
    rows += [
        ("speakers", [f"{split.speakers}" for split in splits]),
        ("empty texts", [f"{split.empty_texts}" for split in splits]),
        ("texts without letter or digit", [f"{split.wordless_texts}" for split in splits]),
        ("turn ids: gaps", [_order(split, "gaps") for split in splits]),
        ("turn ids: backwards", [_order(split, "backwards") for split in splits]),
        ("repeated texts, exact", [_amount(split.repeats.exact) for split in splits]),
        ("repeated texts, normalised", [_amount(split.repeats.normalised) for split in splits]),
        ("repeated dialogues", [f"{split.repeats.dialogues}" for split in splits]),
        ("repeated dialogues of two turns or more", [f"{split.repeats.longer_dialogues}" for split in splits]),
    ]
    return [[name, *cells] for name, cells in rows]


def pair_rows(pairs: Mapping[str, PairReport]) -> list[list[str]]:
    """The rows of the table of pairs."""
    return [
        [
            key,
            *map(_amount, (pair.overlap.utterances, pair.overlap.exact, pair.overlap.normalised)),
            _amount(pair.overlap.normalised_against_labelled),
            f"{pair.shared_speakers}",
        ]
        for key, pair in pairs.items()
    ]


def _amount(amount: Amount) -> str:
    return f"{amount.all} ({amount.long})"


def _share(number: int, total: int) -> str:
    return f"{number} ({100 * number / max(1, total):.1f} %)"


def _order(split: SplitReport, field: str) -> str:
    return "no ids" if split.order is None else str(getattr(split.order, field))
