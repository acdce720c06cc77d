"""What each process of ``--processes N`` runs: the command, whose failure is left for the one that started it."""

from __future__ import annotations

import sys
import traceback


def main() -> None:
    """Run the command line as one of several processes."""
    from ercbench.cli import cli
    from ercbench.errors import ErcbenchError
    from ercbench.launching import be_one_of_several, close, leave_failure

    be_one_of_several()
    try:
        cli(sys.argv[1:])
    except SystemExit as end:
        if not end.code:
            close()
        raise
    except ErcbenchError as error:
        leave_failure(str(error), error.exit_code)
        sys.exit(error.exit_code)
    # A bug: told with its traceback, once, by the process that started this one.
    except Exception:
        leave_failure(traceback.format_exc(), 1)
        sys.exit(1)


if __name__ == "__main__":
    main()
