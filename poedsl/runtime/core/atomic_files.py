"""Files that are replaced in one step, so that they are whole whenever they are there."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

#: What the name of a file begins with until it is complete.
PART = ".poedsl-part-"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there when it is on the disk.

    An earlier file stays until then, and gives its permissions to the new one. A symbolic link is
    resolved first; what is no regular file, as ``/dev/stdout``, is written directly.

    Raises:
        OSError: it cannot be written; an earlier file is as it was.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    part = path.parent / f"{PART}{secrets.token_hex(8)}"
    try:
        with open(part, "xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        if path.exists():
            shutil.copymode(path, part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk.

    A file system that cannot synchronise folders is not an error.

    Raises:
        OSError: the file cannot be written to the disk.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not folder:
            raise
    finally:
        os.close(handle)
