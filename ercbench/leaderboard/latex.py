r"""Boards as values -> LaTeX: a table for ``\usepackage{booktabs}`` per track and context protocol of each board."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ercbench.leaderboard.board_json import Board, Leaderboard, Row, Section, Task
from ercbench.leaderboard.markdown import points, ranks, visible

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_TIED = r"$^{\dagger}$"


def escape(text: str) -> str:
    """Text -> LaTeX that prints it in one line and does nothing else."""
    return "".join(_SPECIAL.get(char, char) for char in visible(text))


def latex(leaderboard: Leaderboard) -> str:
    """Boards -> tables. Rows outside the rules are left out; rows without a rank stand below the ranked ones.

    Before: tables.py. After: a paper.
    """
    tables = [
        table
        for board in leaderboard.boards
        for section in board.sections
        for task in section.tasks
        for table in _table(board, section, task)
    ]
    head = "% Made by: ercbench leaderboard export --format latex. Needs \\usepackage{booktabs}."
    return "\n\n".join([head, *tables]) + "\n"


def _table(board: Board, section: Section, task: Task) -> Iterator[str]:
    """The table of a task that has rows within the rules."""
    ranked = [row for row in task.rows if row.standing == "ranked"]
    others = [row for row in task.rows if row.standing in ("not-compared", "few-seeds")]
    if not ranked and not others:
        return
    lines = [_line(ranks(row.rank).replace("-", "--"), row, _mark(row, task)) for row in ranked]
    lines += [r"\midrule"] if ranked and others else []
    lines += [_line("--", row, f" ({escape('; '.join(row.reasons))})") for row in others]
    yield "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_caption(board, section, task)}}}",
            rf"\label{{tab:{_label(board, section, task)}}}",
            r"\begin{tabular}{rlrrr}",
            r"\toprule",
            r"Rank & Recipe & Weighted F1 & Over dialogues & Seeds \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _line(rank: str, row: Row, after_name: str) -> str:
    deviation = "" if row.test.deviation is None else rf" \pm {points(row.test.deviation)}"
    between = row.over_dialogues
    interval = f"{points(between.low)}--{points(between.high)}" if between else "--"
    cells = (
        rank,
        escape(row.name) + after_name,
        f"${points(row.test.mean)}{deviation}$",
        interval,
        str(len(row.records)),
    )
    return " & ".join(cells) + r" \\"


def _mark(row: Row, task: Task) -> str:
    """The dagger of a row that is not significantly different from the first."""
    first = task.rows[0].id
    tied = any({one.a, one.b} == {first, row.id} and not one.different for one in task.comparisons)
    return _TIED if tied else ""


def _caption(board: Board, section: Section, task: Task) -> str:
    what = f"{board.title}, data version {section.version}, track {task.track}, context {task.context}."
    marks = f" {_TIED} Not significantly different from the first row." if len(task.comparisons) else ""
    return (
        f"{escape(what)} Weighted F1 $\\times$ 100 on test: mean $\\pm$ standard deviation over seeds, and its "
        f"95\\,\\% interval over dialogues (cluster bootstrap). Ranks from paired tests after Holm's correction.{marks}"
    )


def _label(board: Board, section: Section, task: Task) -> str:
    """What the table is called, of letters that a label may have; the same data set may have several contents."""
    content = section.fingerprint.rpartition(":")[2][:8]
    return re.sub(r"[^A-Za-z0-9:-]+", "-", f"{board.name}-{content}-{task.track}-{task.context}")
