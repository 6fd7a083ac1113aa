"""The functions of the language by name."""

from __future__ import annotations

from poedsl.compiler.functions.elementwise import ELEMENTWISE
from poedsl.compiler.functions.function import Function
from poedsl.compiler.functions.matrices import MATRICES
from poedsl.compiler.functions.pictures import PICTURES
from poedsl.compiler.functions.reductions import REDUCTIONS
from poedsl.compiler.functions.special import SPECIAL
from poedsl.compiler.functions.text import TEXT
from poedsl.compiler.functions.vectors import VECTORS

FUNCTIONS: dict[str, Function] = {
    f.name: f for f in (*ELEMENTWISE, *SPECIAL, *REDUCTIONS, *VECTORS, *MATRICES, *PICTURES, *TEXT)
}
#: Functions that are evaluated component by component.
COMPONENTWISE = frozenset(f.name for f in (*ELEMENTWISE, *SPECIAL))
