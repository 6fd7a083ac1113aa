"""The report of a run is one page that stands alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.editor.highlighting import pieces
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.page.page import page
from poedsl.runtime.results.page.plots import ticks
from poedsl.runtime.results.page.program_and_inputs import RunRequest
from poedsl.runtime.results.result import Result
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.run import Run
from poedsl.runtime.smc.records import Outcome

VOID = {"meta", "link", "img", "br", "image", "path", "rect", "circle", "line", "polygon"}
PICTURE = (
    "input note : Text\ninput seen : Image[1, 6, 6]\nx : Image[1, 6, 6]\n"
    "x ~ Normal(0.5, 0.3) * exp(-20 * sum((x[:, 0:3] - seen[:, 0:3])^2))\n"
    "sample x by anneal(particles = 12, steps = 6, keep = best(), resample = systematic(when = "
    "always))"
)
HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(1)">'
COMMAND = "poe run 'a & b.poe' --out there"


class Page(HTMLParser):
    """What tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.headings: list[tuple[int, str]] = []
        self.words = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if self.headings and re.fullmatch("h[1-6]", self.open[-1] if self.open else ""):
            level, text = self.headings.pop()
            self.headings.append((level, text + data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def done(text: str, **values: object) -> Result:
    plan = poedsl.compile(text).bind(**values).bound()
    job = Run(plan.spec, RunSettings(seed=3, shown_stages=4))
    list(job.stages())
    return job.result()


@pytest.fixture(scope="module")
def result() -> Result:
    return done(PICTURE, seen=torch.linspace(0, 1, 36).view(1, 6, 6).numpy(), note=HOSTILE)


@pytest.fixture(scope="module")
def shown(result: Result) -> Page:
    return Page(page(result, RunRequest(pieces(PICTURE), COMMAND, "--seed 3")))


def check(shown: Page) -> None:
    """What holds of every page: it loads nothing, and is for people who do not see it too."""
    ids = [a["id"] for _, a in shown.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, a in shown.tags:
        assert tag not in ("script", "iframe", "object", "base", "form")
        assert not any(name.startswith("on") or name == "style" for name in a)
        for name in ("src", "href", "xlink:href", "poster", "data", "action", "srcset"):
            if name in a:
                assert a[name].startswith("data:") or a[name].removeprefix("#") in ids
        assert a.get("aria-labelledby", ids[0]) in ids
    assert not re.search(r"url\(|@import|https?://", re.sub(r"data:[^\"']*", "", shown.text))
    assert all(a["alt"] for a in shown.all("img"))
    assert all(a["aria-label"] for a in shown.all("video"))
    assert all(a["role"] == "img" and a["aria-label"] for a in shown.all("svg"))
    assert all(a["scope"] in ("col", "row") for a in shown.all("th"))
    assert all(a["tabindex"] == "0" for a in shown.all("pre"))
    levels = [level for level, _ in shown.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all(text.strip() for _, text in shown.headings)
    assert shown.all("html")[0]["lang"] == "en"
    policy = next(a["content"] for a in shown.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy and "script" not in policy


SECTIONS = ["verdict", "program", "outcome", "lines", "stages", "experts", "run"]


def test_the_page_of_pictures_stands_alone(shown: Page) -> None:
    check(shown)
    sections = [a["aria-labelledby"] for a in shown.all("section")]
    assert sections == SECTIONS
    assert [a["href"].lstrip("#") for a in shown.all("a")[1:]] == SECTIONS


def test_it_says_what_was_asked_and_how_to_repeat_it(shown: Page, result: Result) -> None:
    assert PICTURE in shown.words and HOSTILE in shown.words and COMMAND in shown.words
    assert result.plan.hash in shown.words and torch.__version__ in shown.words
    assert "poe run plan.json --seed 3" in shown.words
    assert "seed 3" in shown.words and shown.all("time")[0]["datetime"].endswith("Z")
    assert any(a["alt"] == "the input seen" for a in shown.all("img"))


def test_the_verdict_has_its_reasons(result: Result) -> None:
    warnings = (RunWarning("P1013", "narrow <here>"), RunWarning("P1005", "one family"))
    doubtful = replace(result, verdict=Verdict.DOUBTFUL, warnings=warnings)
    shown = Page(page(doubtful))
    assert Verdict.DOUBTFUL.value in shown.words
    assert all(w.code in shown.words and w.message in shown.words for w in warnings)


def test_every_particle_is_shown_and_its_descent(shown: Page, result: Result) -> None:
    alts = [a["alt"] for a in shown.all("img") if a["alt"].startswith("x, particle")]
    assert len(alts) == 12
    assert result.snapshots is not None
    assert len(shown.all("image")) == 12 * len(result.snapshots.stages)
    dead = [a for a in shown.all("g") if a.get("class") == "tile gone"]
    assert 0 < len(dead) < len(shown.all("image"))


@pytest.mark.parametrize(
    "text",
    [
        "x ~ Cauchy(0, 1)\nsample x by anneal(particles = 30)",
        "x : Real[2]\nx ~ Normal(0, 1) * where(norm(x) < 1)\n"
        "sample x by anneal(particles = 30, steps = 8)",
        "a : Real\nb : Real[2]\na ~ Normal(0, 1)\nb ~ Normal(a, 1)\nreport c = a * b[0]\n"
        "sample a, b by anneal(particles = 30)",
        "x : Video[3, 1, 4, 4]\nx ~ Normal(0.5, 0.1) * exp(sum(x[0]))\n"
        "sample x by anneal(particles = 4, steps = 4)",
    ],
)
def test_pages_of_other_variables(text: str) -> None:
    result = done(text)
    shown = Page(page(result))
    check(shown)
    names = {v.name for v in result.plan.variables}
    assert all(re.search(rf"\b{name}\b", shown.words) for name in names)
    check(Page(page(replace(result, snapshots=None, predicted_endpoints=None, log_product=None))))


def test_a_failed_run_says_so(result: Result) -> None:
    failed = replace(
        result,
        outcome=Outcome.NOT_FINITE,
        log_weights=torch.full_like(result.log_weights, -torch.inf),
    )
    shown = Page(page(failed))
    check(shown)
    assert Outcome.NOT_FINITE.value in shown.words


def test_the_page_of_32_pictures_is_small(result: Result) -> None:
    noise = torch.rand(32, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    many = replace(
        result,
        particles={"x": noise},
        log_weights=torch.full((32,), 1 / 32).log(),
        log_values={},
        snapshots=None,
        parents=torch.arange(32).repeat(7, 1),
    )
    assert len(page(many)) < 10_000_000


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-3, 7, [-2, 0, 2, 4, 6]), (2, 2, [2])],
)
def test_axes_have_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


FRAME = """<!doctype html><iframe src="report.html" width="360" height="780"></iframe><script>
onload = () => {
  const root = document.querySelector("iframe").contentDocument.documentElement;
  document.body.dataset.wide = root.scrollWidth - root.clientWidth;
};</script>"""


@pytest.mark.slow
def test_a_browser_has_no_complaint_and_phones_do_not_scroll_sideways(
    tmp_path: Path, result: Result
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    text = page(result, RunRequest(pieces(PICTURE), COMMAND, "--seed 3"))
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    (tmp_path / "frame.html").write_text(FRAME, encoding="utf-8")
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--allow-file-access-from-files", "--enable-logging=stderr", "--dump-dom"),
        *(f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frame.html").as_uri()),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 'data-wide="0"' in shown.stdout
    assert "CONSOLE" not in shown.stderr
