"""What objects show at a prompt and in a notebook."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image

import poedsl
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.interface.replies import Diagnostics
from poedsl.interface.session import Session

TEXT = "input s : Real\ninput c : Real = 2\nx ~ Normal(0, 1) * Normal(s, c)^3\n"


class Page(HTMLParser):
    """The tags of a fragment, and whether each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_plan_is_a_few_lines_that_name_what_is_missing() -> None:
    plan = poedsl.compile(TEXT)
    shown = repr(plan)
    assert len(shown) < 300 and len(shown.splitlines()) == 4
    assert "x : Real ~ Normal * Normal_2^3" in shown
    assert "s : Real (missing)" in shown and "c = 2 (default)" in shown
    assert "s = 4" in repr(plan.bind(s=4)) and "missing" not in repr(plan.bind(s=4))


def test_plans_with_data_and_sizes() -> None:
    text = "input N : Int\ninput y : Real[N]\nm ~ Normal(0, 1)\ny ~ Normal(m, 2)\n"
    plan = poedsl.compile(text)
    assert "y ~ Normal_2 (data)" in repr(plan) and "y : Real[N] (missing)" in repr(plan)
    assert "N : Int (a size), y = an array of 3" in repr(plan.bind(y=[1, 2, 3]))


def test_long_plans_are_cut() -> None:
    names = [f"input i{k} : Real[100] = [{', '.join(['1'] * 100)}]" for k in range(20)]
    factors = " * ".join(f"Normal(i{k}, 1)" for k in range(20))
    shown = repr(poedsl.compile("\n".join([*names, "x : Real[100]", f"x ~ {factors}"])))
    assert len(shown) < 1500 and "(12 more)" in shown


@pytest.mark.parametrize("name", ['<b>"&', "a.poe"])
def test_plans_in_notebooks_are_escaped_tables(name: str) -> None:
    plan = poedsl.compile(TEXT)
    page = Page(replace(plan, spec=replace(plan.spec, program=name))._repr_html_())
    assert name in page.texts and {"Normal", "Normal_2", "3"} <= set(page.texts)
    assert not {"script", "b>", "link", "style"} & set(page.tags)


def test_results_in_notebooks_have_small_pictures_and_the_table() -> None:
    result = poedsl.compile("x : Image[3, 4, 300]\nx ~ Normal(0.5, 0.3)").run(particles=20, steps=2)
    page = Page(result._repr_html_())
    assert len(page.sources) == 16 and "x (3600 components)" in page.texts
    for source in page.sources:
        kind, _, data = source.partition(",")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert kind == "data:image/png;base64" and image.size == (96, 1)
    assert str(result.verdict) in "".join(page.texts)


def test_results_in_notebooks_have_texts_by_probability() -> None:
    result = poedsl.compile("x : Category[3]\nx ~ Categorical([0.2, 0.3, 0.5])").run(particles=9)
    words = Vocabulary((b"<i>", b"b", b"c"))
    particles = {"x": torch.tensor([[0]] * 6 + [[1]] * 3)}
    page = Page(replace(result, vocabularies={"x": words}, particles=particles)._repr_html_())
    assert "'<i>'" in page.texts and page.texts.index("'<i>'") < page.texts.index("'b'")


def test_failed_results_are_shown() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * where(x > 1 and x < 0)").run(particles=8, steps=3)
    assert "failed" in "".join(Page(result._repr_html_()).texts)


def test_diagnostics_are_short_and_escaped() -> None:
    answer = Session().feed('x ~ Normal(0, "<script>")')
    assert isinstance(answer, Diagnostics)
    assert answer.items[0].code in repr(answer) and len(repr(answer)) < 200
    page = Page(answer._repr_html_())
    assert page.tags == ["pre"] and "<script>" in page.texts[0]
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile("x ~ Normal(0, -1)")
    assert re.match(r"PoeError\(<error P0307 at 14: ", repr(caught.value))
    assert Page(caught.value._repr_html_()).tags == ["pre"]


def test_parts_of_a_result() -> None:
    result = poedsl.compile("x ~ Normal(0, 1)").run(particles=8, steps=2)
    assert re.fullmatch(r"Evidence\(\S+( \+- \S+)?, exact.*\)", repr(result.evidence))
    assert str(result.verdict) == result.verdict.name.lower()
    session = Session()
    assert "no run yet" in repr(session)
    views = list(poedsl.compile("x ~ Normal(0, 1)").stream(particles=8, steps=2))
    assert "stage 3 of 3" in repr(views[0]) and "8 particles of x" in repr(views[0])
    assert all(len(repr(v)) < 120 for v in views)
