"""How long checking and compiling take: a small file from the shell, and generated programs of
many statements.

python benchmarks/compiling.py
"""

from __future__ import annotations

import resource
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


def processor_time() -> float:
    """Seconds of the processor that finished processes of this one have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    command = [
        sys.executable,
        "-c",
        "from poedsl.cli.entry import entry; entry()",
        "check",
        str(CROSSING),
    ]
    times = []
    for _ in range(7):
        before, start = processor_time(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - start, processor_time() - before))
    wall, own = sorted(times)[3]
    print(f"{'program':>18} {'wall':>8} {'processor':>10} {'a statement':>12}")
    print(f"{'poe check crossing':>18} {wall:7.3f}s {own:9.3f}s")
    for count in (1000, 3000, 10_000):
        source = Source(generated(count))
        start, begin = time.perf_counter(), time.process_time()
        compiled = compile_source(source)
        wall, own = time.perf_counter() - start, time.process_time() - begin
        assert compiled.ok
        print(f"{f'{count} statements':>18} {wall:7.3f}s {own:9.3f}s {1e6 * own / count:10.0f}us")


if __name__ == "__main__":
    main()
