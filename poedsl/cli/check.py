"""`poe check`."""

from __future__ import annotations

from poedsl.cli.shared import (
    ERRORS,
    OUTPUT,
    DiagnosticForm,
    echo,
    printable,
    read_source,
    show,
    usage,
)
from poedsl.compiler.compile import compile_source


def run_check(
    file: str, strict: bool = False, fix: bool = False, form: DiagnosticForm = DiagnosticForm.text
) -> int:
    """Report everything that is wrong with a program, and list its inputs; the exit code."""
    from poedsl.interface.descriptions import declarations

    source, base = read_source(file)
    if file.endswith(".json"):
        usage(f"{file} is not a program; `poe plan` and `poe run` take plans")
    compiled = compile_source(source, strict=strict, base=base)
    piped = fix and file == "-"
    if fix:
        from poedsl.cli.fix import run_fix

        compiled = run_fix(file, compiled, lambda s: compile_source(s, strict=strict, base=base))
    show(compiled.diagnostics, compiled.source, form, err=piped)
    if compiled.plan is None:
        return ERRORS
    if form is DiagnosticForm.text and not piped and not OUTPUT.quiet:
        plan = compiled.plan
        for line in declarations(plan.variables, plan.inputs, plan.sizes):
            echo(printable(line))
        echo(f"{source.name}: ok")
    return 0
