"""What each process of ``--processes N`` runs: the command, whose failure is left for the one that started it."""

from __future__ import annotations

import sys
import traceback


def main() -> None:
    """Run the command line as one of several processes."""
    from ercbench.cli import cli
    from ercbench.errors import ErcbenchError
    from ercbench.launching import end_with_parent, leave_failure

    end_with_parent()
    try:
        cli(sys.argv[1:])
    except ErcbenchError as error:
        leave_failure(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except Exception:
        # A bug: told with its traceback, once, by the process that started this one.
        leave_failure(traceback.format_exc(), 1)
        sys.exit(1)


if __name__ == "__main__":
    main()
