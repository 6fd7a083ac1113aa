"""`poe lsp`."""

from __future__ import annotations

from importlib.util import find_spec

from poedsl.catalog.installation import install_command
from poedsl.cli.shared import usage


def serve() -> None:
    """Answer an editor until it ends the connection."""
    if find_spec("pygls") is None:
        command = install_command("editor", "pygls")
        usage(f"the language server needs pygls: {command}")
    from poedsl.editor.server import server

    server().start_io()
