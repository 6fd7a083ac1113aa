"""Where the command ``poe`` begins."""

from __future__ import annotations

import sys

from poedsl.cli.shared import INTERRUPTED, OUTPUT, last_resort


def entry() -> None:
    """The command; an unexpected exception is reported as an internal error, in two lines.

    `poe check FILE` is answered without the parser of the command line, which takes as long to load
    as the check.
    """
    OUTPUT.quiet = OUTPUT.traceback = False
    try:
        match sys.argv[1:]:
            case ["check", file] if file == "-" or not file.startswith("-"):
                from poedsl.cli.check import run_check

                sys.exit(run_check(file))
        from poedsl.cli.main import app

        app()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(INTERRUPTED)
    except Exception as error:
        sys.exit(last_resort(error))
