"""How long checking and compiling take: a small file from the shell, and generated programs of
many statements.

python benchmarks/compiling.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from poedsl.compiler.compile import compile_source
from poedsl.grammar.source import Source

CROSSING = Path(__file__).parent.parent / "programs" / "crossing.poe"


def generated(statements: int) -> str:
    """Constants, inputs, variables and products in turn."""
    lines: list[str] = []
    for k in range(statements // 4):
        lines += [
            f"let c{k} = linspace(-3.5, 3.5, 4)",
            f"input a{k} : Real = {k}",
            f"x{k} : Real[2]",
            f"x{k} ~ mixture(Normal([m, a{k}], [0.35, 2]) for m in c{k}) * Normal([0, {k}], 2)^0.5",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    command = [
        sys.executable,
        "-c",
        "from poedsl.cli.main import entry; entry()",
        "check",
        str(CROSSING),
    ]
    times = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    middle = sorted(times)[3]
    print(f"poe check crossing.poe: {min(times):.3f} s at best, {middle:.3f} s in the middle of 7")
    for count in (1000, 3000, 10_000):
        source = Source(generated(count))
        start = time.perf_counter()
        compiled = compile_source(source)
        seconds = time.perf_counter() - start
        assert compiled.ok
        print(f"{count:>6} statements: {seconds:.2f} s, {1e6 * seconds / count:.0f} us a statement")


if __name__ == "__main__":
    main()
