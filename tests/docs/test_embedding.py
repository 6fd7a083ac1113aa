"""The programs of docs/embedding.md run in order and print what the page shows."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from poedsl.grammar.formatting.format import format_source

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "embedding.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# (\S+\.(?:py|poe))\n")


@pytest.mark.slow
def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.syspath_prepend(tmp_path)
    shutil.copytree(ROOT / "programs" / "inputs", tmp_path / "programs" / "inputs")
    shutil.copy(ROOT / "programs" / "digits.poe", tmp_path / "programs")
    text = page = PAGE.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    printed = ""
    for kind, shown in _BLOCK.findall(page):
        if file := _FILE.match(shown):
            Path(file[1]).write_text(shown[file.end() :], encoding="utf-8")
            assert kind == "python" or format_source(shown) == shown
        elif kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(shown, "embedding.md", "exec"), names)
            printed = out.getvalue()
        elif request.config.getoption("--update-goldens"):
            text = text.replace(f"```text\n{shown}```", f"```text\n{printed}```")
        else:
            assert shown == printed
    if text != page:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
