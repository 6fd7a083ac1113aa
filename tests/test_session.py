"""A session: what it takes, refuses and waits for, its commands, and its runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from poedsl.interface.commands import COMMANDS
from poedsl.interface.option_text import assignments
from poedsl.interface.replies import Diagnostics, Incomplete, Reply
from poedsl.interface.session import Session
from poedsl.runtime.results.progress import Progress

ROOT = Path(__file__).parents[1]


@pytest.fixture
def session() -> Session:
    return Session()


def reply(session: Session, text: str) -> Reply:
    """Feed what must be taken."""
    response = session.feed(text)
    assert isinstance(response, Reply), response
    return response


def refusal(session: Session, text: str) -> Diagnostics:
    """Feed what must be refused, and see that nothing has changed."""
    before = session.text
    response = session.feed(text)
    assert isinstance(response, Diagnostics), response
    assert any(d.is_error for d in response.items)
    assert session.text == before
    return response


def fed(*texts: str) -> Session:
    session = Session()
    for text in texts:
        reply(session, text)
    return session


# Statements.


def test_statements_make_a_program(session: Session) -> None:
    assert reply(session, "x : Real[2]") == Reply()
    assert reply(session, "x ~ Normal(0, 1)  # wide") == Reply()
    assert reply(session, "# and one more\nx ~ Normal(2, 1)\n\n") == Reply()
    assert session.text == (
        "x : Real[2]\nx ~ Normal(0, 1)  # wide\n# and one more\nx ~ Normal(2, 1)\n"
    )
    assert len(session.plan().spec.factors) == 2


def test_what_statements_imply_is_reported(session: Session) -> None:
    said = reply(session, "x ~ flux_depth(depth) * exp(vqascore(prompt))").text
    assert said == (
        "variable x : Image[3, _, _]\n"
        "input depth : Depth  (inferred at <repl>:1:16)\n"
        "input prompt : Text  (ambient at <repl>:1:5)"
    )
    assert reply(session, 'input prompt : Text = "a cat"').text == ""
    assert session.text.startswith('input prompt : Text = "a cat"\nx ~ flux_depth')


@pytest.mark.parametrize(
    "text",
    [
        "x : Image",
        "let c = 3",
        "input s : Real",
        "x ~ exp(-x^2)",
        "x ~ Normal(0, 2) / Normal(0, 1)",
        "expert e(a) = Normal(a, 1)",
        "",
        "# nothing",
    ],
)
def test_what_later_statements_can_mend_is_taken(session: Session, text: str) -> None:
    assert reply(session, text).warnings is None


def test_a_statement_with_an_error_is_refused_at_its_own_place() -> None:
    session = fed("let c = 3", "x ~ Normal(c, 1)")
    found = refusal(session, "let d = 1\nx ~ Nrmal(c, 1)")
    assert [d.code for d in found.items] == ["P0202"]
    assert found.source.name == "<repl:3>"
    span = found.items[0].span
    assert found.source.text[span.start : span.end].startswith("Nrmal")
    edit = found.items[0].fixes[0].edits[0]
    assert found.source.text[edit.span.start : edit.span.end] == "Nrmal"


def test_what_it_breaks_elsewhere_is_named() -> None:
    session = fed("let c = [1, 2]", "x ~ mixture(Normal(m, 1) for m in c)")
    found = refusal(session, "let c = 3")
    assert "in `x ~ mixture(Normal(m, 1) for m in c)` at <repl:2>:1:" in str(found)
    assert "<repl:3>:1:1" in str(found)


def test_second_places_in_other_statements_become_notes() -> None:
    session = fed("x : Real[2]")
    found = refusal(session, "x ~ flux(prompt)")
    assert found.items[0].labels == ()
    assert "`x : Real[2]` at <repl:1>:1:1" in found.items[0].notes[-1]


def test_syntax_errors_are_those_of_check(session: Session) -> None:
    assert [d.code for d in refusal(session, "x ~~ 3").items] == ["P0101"]
    codes = [d.code for d in refusal(session, "let = 3\nx ~ Normal(0, 1))").items]
    assert codes == ["P0101", "P0105"]


@pytest.mark.parametrize("text", ["(" * 3000, "let c = " + "-" * 5000 + "1", "\x00", "'", "\ud800"])
def test_nothing_that_is_written_raises(session: Session, text: str) -> None:
    assert isinstance(session.feed(text, last=True), Diagnostics)


# Names that are declared again.


def test_a_constant_is_replaced() -> None:
    session = fed("let c = 1", "x ~ Normal(c, 1)")
    assert reply(session, "let c = 2").text == "in place of `let c = 1`"
    assert session.text == "let c = 2\nx ~ Normal(c, 1)\n"


def test_a_replacement_may_use_what_came_later() -> None:
    session = fed("let a = 1", "let b = 2", "x ~ Normal(a, 1)", "let a = b + 1")
    assert session.text == "let b = 2\nlet a = b + 1\nx ~ Normal(a, 1)\n"


def test_inputs_domains_experts_and_sample_are_replaced() -> None:
    session = fed(
        "input s : Real = 1",
        "x : Real[2]",
        "expert e(a) = Normal(a, 1)",
        "x ~ e(s)",
        "sample x by anneal(particles = 10)",
    )
    reply(session, "input s : Real = 2")
    reply(session, "x : Real[3]")
    reply(session, "expert e(a) = Normal(a, 2)")
    reply(session, "sample x by anneal(particles = 20)")
    assert len(session.draft.entries) == 5
    plan = str(session.plan())
    assert "option particles = 20" in plan
    assert "variable x : Real[3]" in plan
    assert "scale = 2" in plan


def test_a_variable_may_join_before_sample_names_it() -> None:
    session = fed("x ~ Normal(0, 1)", "sample x by anneal(particles = 10)", "y ~ Normal(0, 1)")
    assert [d.code for d in refusal(session, "%plan").items if d.is_error] == ["P0504"]
    reply(session, "sample x, y by anneal(particles = 10)")
    reply(session, "%plan")
    assert refusal(session, "sample z by anneal()")


def test_a_name_declared_twice_in_one_text_is_an_error(session: Session) -> None:
    assert [d.code for d in refusal(session, "let c = 1\nlet c = 2").items] == ["P0203"]


# Texts over several lines.


@pytest.mark.parametrize(
    "text",
    ["x ~ Normal(", "x ~ Normal(0,\n", "let c = [1,", "for m in [1, 2]:", "(1 + 2"],
)
def test_an_open_text_is_incomplete(session: Session, text: str) -> None:
    assert session.feed(text) == Incomplete()
    assert isinstance(session.feed(text, last=True), Diagnostics)


def test_a_block_ends_with_a_blank_line(session: Session) -> None:
    block = "for m in [1, 2]:\n    x ~ Normal(m, 1)\n    x ~ Normal(0, m)"
    assert session.feed(block) == Incomplete()
    reply(session, f"{block}\n")
    assert len(session.plan().spec.factors) == 4


def test_a_block_ends_with_the_next_statement(session: Session) -> None:
    reply(session, "for m in [1, 2]:\n    x ~ Normal(m, 1)\nx ~ Normal(0, 1)")
    assert len(session.draft.entries) == 2


# Expressions.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linspace(0, 1, 3)", "[0.0, 0.5, 1.0]"),
        ("c + 1", "[2, 3]"),
        ("(c\n + 1)  # more", "[2, 3]"),
        ("1 < 2", "true"),
        ('"a"', '"a"'),
        ("x", "Real[2]"),
        ("norm(x - c) < s", "Bool"),
        ("s", "Real"),
    ],
)
def test_an_expression_shows_its_value_or_type(text: str, shown: str) -> None:
    session = fed("let c = [1, 2]", "input s : Real", "x : Real[2]")
    before = session.text
    assert reply(session, text).text == shown
    assert session.text == before


def test_the_value_comes_with_the_reply(session: Session) -> None:
    assert reply(session, "2 * [1, 2]").value == (2, 4)


def test_long_values_are_cut(session: Session) -> None:
    said = reply(session, "linspace(0, 1, 1000)").text
    assert len(said) < 500
    assert said.endswith("...  : Real[1000]")


def test_errors_of_expressions_are_at_their_place(session: Session) -> None:
    found = refusal(session, "1 + foo")
    assert [d.code for d in found.items] == ["P0201"]
    assert found.source.text[found.items[0].span.start :] == "foo"
    assert [d.code for d in refusal(session, "Normal(0, 1)").items] == ["P0403"]


# Commands.


def test_run_keeps_the_result() -> None:
    session = fed("x ~ Normal(0, 1) * Normal(2, 1)")
    ran = reply(session, "%run particles=50, kernel = mala(steps = 2) steps=4 seed=3")
    assert ran.value is session.result
    assert session.result is not None
    assert session.result.particles["x"].shape == (50,)
    assert session.result.seed == 3
    assert "the run completed" in ran.text
    assert "log evidence" in ran.text
    assert "log Z +" in reply(session, "%report").text


def test_the_same_seed_gives_what_python_gives() -> None:
    import poedsl

    text = "x ~ Normal(0, 1) * Normal(2, 1)"
    session = fed(text, "%run particles=50 steps=4 seed=3")
    again = poedsl.compile(text).run(seed=3, particles=50, steps=4)
    assert session.result is not None
    assert session.result.particles["x"].equal(again.particles["x"])


def test_an_interrupted_run_leaves_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    session = Session(progress=True)
    reply(session, "x ~ Normal(0, 1)")
    monkeypatch.setattr(Progress, "__call__", interrupt)
    assert reply(session, "%run particles=50").text.startswith("interrupted")
    assert session.result is None
    assert session.text == "x ~ Normal(0, 1)\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("%run", "P0411"),
        ("%plan", "P0411"),
        ("%rum", "P0901"),
        ("%", "P0901"),
        ("%plan now", "P0901"),
        ("%run 50", "P0901"),
        ("%run seed=many", "P0901"),
        ("%run dtype=float16", "P0901"),
        ("%run partcles=50", "P0501"),
        ("%run progress=true", "P0501"),
        ("%run particles=(50", "P0104"),
        ("%report", "P0901"),
        ("%undo", "P0901"),
        ("%set s", "P0901"),
        ("%set s=3", "P0605"),
        ("%load nowhere.poe", "P0604"),
        ("%save nowhere/to/be.poe", "P0704"),
        ("%experts Normall", "P0901"),
        ("%explain P9", "P0901"),
    ],
)
def test_commands_that_cannot_be_done(
    session: Session, text: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert code in [d.code for d in refusal(session, text).items]


def test_a_wrong_command_suggests_a_near_one(session: Session) -> None:
    assert "`%run`" in str(refusal(session, "%rum"))


@pytest.mark.slow
def test_inputs_are_bound(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("4")
    session = fed("input s : Real", 'input t : Text = "a"', "x ~ Normal(s, 1)")
    assert "`%set s=VALUE`" in str(refusal(session, "%run"))
    assert [d.code for d in refusal(session, "%set s=cat").items] == ["P0602"]
    reply(session, f"%set s=@{tmp_path / 's.json'}")
    reply(session, '%set t = "two words"')
    assert reply(session, "%set").text.splitlines()[-1] == "t = two words"
    assert dict(session.plan().spec.bindings) == {"s": 4, "t": "two words"}
    reply(session, "%run particles=50")
    reply(session, "input u : Real = 1")
    reply(session, "%reset")
    assert session.bindings == {}


def test_values_of_inputs_that_are_gone_are_left_out() -> None:
    session = fed("x ~ Normal(0, 1)", "input s : Real", "%set s=3", "%undo")
    assert session.plan().spec.bindings == ()


def test_undo_takes_back_one_change_at_a_time() -> None:
    session = fed("let c = 1", "x ~ Normal(c, 1)", "let c = 2")
    assert reply(session, "%undo").text == "without `let c = 2`\nwith `let c = 1`"
    assert session.text == "let c = 1\nx ~ Normal(c, 1)\n"
    reply(session, "%reset")
    assert session.text == ""
    reply(session, "%undo")
    reply(session, "%undo")
    assert reply(session, "%list").text == "let c = 1"


def test_programs_are_saved_in_canonical_form_with_comments(tmp_path: Path) -> None:
    session = fed("# a constant\nlet c=1   # one", "x~Normal([c, # here\n 0],1)", "x~Normal( 0,1 )")
    reply(session, f"%save {tmp_path / 'a.poe'}")
    assert (tmp_path / "a.poe").read_text() == (
        "# a constant\nlet c = 1   # one\nx~Normal([c, # here\n 0],1)\nx ~ Normal(0, 1)\n"
    )


@pytest.mark.parametrize("name", ["crossing", "circle", "digits"])
def test_programs_load(session: Session, name: str) -> None:
    path = ROOT / "programs" / f"{name}.poe"
    assert "variable x" in reply(session, f"%load {path}").text
    assert session.plan().bound()
    assert session.text.strip() == path.read_text().strip()


def test_a_wrong_file_is_not_loaded(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "wrong.poe"
    path.write_text("x ~ Normal(0, 1)\nx ~ Nrmal(0, 1)\n")
    reply(session, "let c = 1")
    found = refusal(session, f"%load {path}")
    assert f"{path}:2:5" in str(found)
    path.write_bytes(b"\xff\xfe")
    assert [d.code for d in refusal(session, f"%load {path}").items] == ["P0604"]


def test_help_experts_and_explain(session: Session) -> None:
    assert all(f"%{name}" in reply(session, "%help").text for name in COMMANDS)
    assert "MultivariateNormal" in reply(session, "%experts").text
    assert "family" in reply(session, "%experts Normal").text
    assert reply(session, "%explain p0404").text.startswith("P0404:")


def test_warnings_come_with_the_reply(session: Session) -> None:
    warnings = reply(session, "x ~ Normal(0, 1)\nx ~ exp(3)").warnings
    assert warnings is not None
    assert [d.code for d in warnings.items] == ["P0803"]
    reply(session, "input s : Real = 1")
    planned = reply(session, "%plan").warnings
    assert planned is not None
    assert {d.code for d in planned.items} == {"P0801", "P0803"}


def test_names(session: Session) -> None:
    reply(session, "let c = 1\nx ~ flux(prompt)\nsample x by anneal(particles = 2)")
    assert session.names == {"c", "x", "prompt"}


def test_assignments() -> None:
    assert assignments("") == {}
    assert assignments("a=1 b = f(c = 2, d=[3]),e = ess < 0.5") == {
        "a": "1",
        "b": "f(c = 2, d=[3])",
        "e": "ess < 0.5",
    }


@pytest.mark.slow
def test_a_session_loads_nothing_heavy() -> None:
    code = (
        "import sys; from poedsl.interface.session import Session; s = Session()\n"
        "s.feed('x ~ Normal(0, 1)'); s.feed('x'); s.feed('%plan'); s.feed('%experts')\n"
        "assert not {'torch', 'numpy', 'rich', 'prompt_toolkit'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
