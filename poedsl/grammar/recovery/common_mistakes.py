"""Common mistakes, each with a check that recognises it.

A message says what is wrong; the fixes and notes say what would be right.
"""

from __future__ import annotations

from collections.abc import Callable

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.recovery.comparison_mistakes import chained_comparison, not_as_operand
from poedsl.grammar.recovery.foreign_signs import foreign_character, foreign_sign
from poedsl.grammar.recovery.foreign_words import odd_name, odd_number, quotes, reserved, wrong_case
from poedsl.grammar.recovery.misplaced_signs import (
    assignment,
    equals_in_expression,
    let_sign,
    repeated_sign,
    value_of_variable,
    wrong_sign,
)
from poedsl.grammar.recovery.options_alone import option_alone
from poedsl.grammar.recovery.separators import comprehension, loose_comma, side_by_side
from poedsl.grammar.recovery.statement_shapes import (
    input_type,
    loop_header,
    missing_brackets,
    place_without_quotes,
    unknown_statement,
)
from poedsl.grammar.tokens import Failure

#: The diagnostic for a refused word; None where the mistake is another one.
MistakeCheck = Callable[[Failure], Diagnostic | None]


#: In order: the first that gives a diagnostic applies.
CHECKS: tuple[MistakeCheck, ...] = (
    option_alone,
    assignment,
    let_sign,
    value_of_variable,
    wrong_sign,
    repeated_sign,
    quotes,
    odd_number,
    odd_name,
    foreign_sign,
    foreign_character,
    wrong_case,
    reserved,
    loop_header,
    input_type,
    place_without_quotes,
    missing_brackets,
    not_as_operand,
    chained_comparison,
    equals_in_expression,
    unknown_statement,
    comprehension,
    side_by_side,
    loose_comma,
)
