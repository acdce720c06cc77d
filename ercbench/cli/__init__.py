"""The command line. One file per command group; each command calls one function of the core.

A group is imported when it is used, so that ``ercbench --help`` loads neither torch nor anything else that is large.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from ercbench import __version__
from ercbench.errors import ErcbenchError, UnknownName

COMMANDS = {
    "run": "Train and score recipes on data sets, and write records.",
    "status": "Show what runs, what is unfinished and what failed.",
    "predict": "Predict the emotions of conversations with a trained model.",
    "export": "Write a trained model for plain transformers.",
    "list": "List what plugins offer.",
    "show": "Show every value of a recipe, and where it came from.",
    "compare": "Test systems in pairs, on the same test dialogues.",
    "grid": "Run every combination of parts, and print what each contributes.",
    "ablate": "Run a recipe without each of its parts, and print what that costs.",
    "leak-tax": "Show what choosing on test would have added to a run.",
    "trace": "Show what one utterance becomes, stage by stage.",
    "data": "Data sets: list, download, count, check.",
    "leaderboard": "Build the Markdown leaderboards from records.",
    "report": "Write a page on what runs got right and wrong.",
    "verify": "Check a results folder or a submission against data, plugins and itself.",
    "submit": "Pack runs into a folder that is ready for a pull request.",
    "cache": "Show or clear what is kept so that it need not be computed again.",
    "gc": "Remove what killed and failed runs left and nobody needs.",
    "plugin": "Plugins: list them, begin one of your own, check it.",
    "doctor": "Check versions, devices, data and encoders.",
}
"""Every command in the order of the help, with its one line; ``cli/NAME.py`` holds a command called NAME."""


class LazyGroup(click.Group):
    """A group that imports a command when it is used."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they were given, for processes that run the same command."""
        ctx.obj = [*args]  # `list` is a module of this package
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of the table."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = import_module(f"ercbench.cli.{name}")
        command: click.Command = getattr(module, "list_" if name == "list" else name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Look a command up; an unknown name suggests near ones."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UnknownName("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ercbench")
def cli() -> None:
    """Measure emotion recognition in conversation so that a stranger can believe the number and run it again.

    \b
    Examples:
      ercbench run eacl --dataset all --sample      the bundled dialogues, a few minutes on a laptop
      ercbench run eacl --dataset all               MELD, EmoryNLP and IEMOCAP
      ercbench leaderboard build                    Markdown from the records
    """  # noqa: D301


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line. An error that is a user's to mend prints one message and ends with its exit code."""
    try:
        return cli(arguments)
    except ErcbenchError as error:
        click.echo("\n".join([f"ercbench: {error}", *getattr(error, "__notes__", ())]), err=True)
        sys.exit(error.exit_code)
