"""Every kind of page in Chromium, from a folder and without a network: light, dark, and on a phone.

It needs ``pip install -e .[browser]`` and Chromium, and is skipped without them.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

AXE = Path(axe.__file__).with_name("axe.min.js")
KINDS = (
    "index.html",
    "lessons.html",
    "notebooks/03_sigmoid_and_tanh.html",
    "activations.html",
    "activations/gelu.html",
    "activations/swiglu.html",
    "claims.html",
    "claims/03.html",
    "runs.html",
    "runs/reference-search.html",
    "guide.html",
    "cheat_sheet.html",
    "glossary.html",
    "reference.html",
    "reference/nonlin.activations.html",
    "trouble.html",
    "search.html?q=dying+ReLU",
)
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 360)}
LESSON = "notebooks/03_sigmoid_and_tanh.html"


class Tab:
    """A page of the browser that keeps what went wrong in it."""

    def __init__(self, page: Any, site: Path) -> None:
        self.page, self.site, self.wrong = page, site, []
        page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or self.wrong.append(asked.url))

    def open(self, address: str) -> Any:
        self.wrong.clear()
        self.page.goto(f"{self.site.as_uri()}/{address}")
        self.page.evaluate("document.fonts.ready")
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=LOOKS.values(), ids=LOOKS)
def look(request: pytest.FixtureRequest, browser: Any, site: Path) -> Iterator[Tab]:
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, offline=True)
    yield Tab(context.new_page(), site)
    context.close()


@pytest.fixture
def tab(browser: Any, site: Path) -> Iterator[Tab]:
    context = browser.new_context(offline=True)
    yield Tab(context.new_page(), site)
    context.close()


@pytest.mark.long
def test_every_kind_of_page(look: Tab) -> None:
    """axe finds nothing serious, no formula fails, no page is wider than the screen, nothing is asked for outside."""
    for address in KINDS:
        page = look.open(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        assert not page.locator(".katex-error").count(), address
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")["violations"]
        grave = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
        assert not grave, address
        assert not look.wrong, address


def test_an_outcome_appears_when_it_was_predicted(tab: Tab) -> None:
    page = tab.open(LESSON)
    hidden = page.locator(".waiting").count()
    assert hidden
    page.locator("fieldset.predict button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".waiting").count() < hidden
    assert page.locator("fieldset.predict p").first.inner_text() == "You say a. Read on and see."


def test_a_quiz_is_answered_by_keyboard(tab: Tab) -> None:
    page = tab.open(LESSON)
    page.locator("summary", has_text="Exactly 0").focus()
    page.keyboard.press("Enter")
    assert page.locator("details", has_text="Exactly 0").last.locator("p").inner_text().startswith("✓ Yes")


def test_a_link_opens_the_fold_that_it_leads_to(tab: Tab) -> None:
    page = tab.open(LESSON)
    section = page.locator("section", has_text="Three relatives").last.get_attribute("id")
    page = tab.open(f"{LESSON}#{section}")
    page.reload()
    assert page.locator(f"[id='{section}'] > details").first.evaluate("fold => fold.open")


def test_a_table_sorts_by_number(tab: Tab) -> None:
    page = tab.open("runs/reference-search.html")
    for _ in range(2):  # the second time from the highest down
        page.locator("th button", has_text="test_accuracy").first.focus()
        page.keyboard.press("Enter")
    heads = page.locator("th").all_inner_texts()
    column = next(place for place, head in enumerate(heads) if head.startswith("test_accuracy"))
    cells = [float(row.split("\t")[column]) for row in page.locator("tbody tr").all_inner_texts()]
    assert cells == sorted(cells, reverse=True)
    assert cells[0] > cells[-1]


@pytest.mark.parametrize("words", ["dying ReLU", "hardswish", "He initialisation"])
def test_the_search_finds(tab: Tab, words: str) -> None:
    page = tab.open(f"search.html?q={words.replace(' ', '+')}")
    page.locator("#search-results li a").first.wait_for()
    assert not tab.wrong
