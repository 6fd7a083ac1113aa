"""Every code of an error or a warning, with the page that ``poe explain CODE`` shows."""

from __future__ import annotations

from poedsl.compiler.code_pages.evidence_reasons import EVIDENCE_REASONS
from poedsl.compiler.code_pages.input_warnings import INPUT_WARNINGS
from poedsl.compiler.code_pages.inputs import INPUTS
from poedsl.compiler.code_pages.names import NAMES
from poedsl.compiler.code_pages.products import PRODUCTS
from poedsl.compiler.code_pages.run_warnings import RUN_WARNINGS
from poedsl.compiler.code_pages.running import RUNNING
from poedsl.compiler.code_pages.sampling import SAMPLING
from poedsl.compiler.code_pages.session import SESSION
from poedsl.compiler.code_pages.types import TYPES
from poedsl.compiler.code_pages.warnings import WARNINGS
from poedsl.grammar.codes import SYNTAX, CodePage

CODES: dict[str, CodePage] = {
    **SYNTAX,
    **NAMES,
    **TYPES,
    **PRODUCTS,
    **SAMPLING,
    **INPUTS,
    **RUNNING,
    **WARNINGS,
    **RUN_WARNINGS,
    **INPUT_WARNINGS,
    **EVIDENCE_REASONS,
    **SESSION,
}
