"""Every kind of page in Chromium, from a folder and without a network: light, dark, and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nonlin.site import printing

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


@pytest.fixture
def show(chromium: str, tab: Any, site: Path) -> Callable[[str], Any]:
    """Opens a page of the site by its address there."""

    def opened(address: str) -> Any:
        tab.goto(f"{site.as_uri()}/{address}")
        tab.evaluate("document.fonts.ready")
        return tab

    return opened


@pytest.mark.long
@pytest.mark.parametrize("tab", LOOKS.values(), indirect=True, ids=LOOKS)
def test_every_kind_of_page(show: Callable[[str], Any], grave: Callable[[Any], list]) -> None:
    """axe finds nothing serious, no formula fails, no page is wider than the screen, nothing is asked for outside."""
    for address in KINDS:
        page = show(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        assert not page.locator(".katex-error").count(), address
        assert not grave(page), address


def test_an_outcome_appears_when_it_was_predicted(show: Callable[[str], Any]) -> None:
    page = show(LESSON)
    hidden = page.locator(".waiting").count()
    assert hidden
    assert not page.locator(".waiting > *:visible").count()
    page.locator("fieldset.predict button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".waiting").count() < hidden
    assert page.locator("fieldset.predict p").first.inner_text() == "You say a. Read on and see."


def test_a_quiz_is_answered_by_keyboard(show: Callable[[str], Any]) -> None:
    page = show(LESSON)
    answer = page.locator("summary", has_text="Exactly 0")
    answer.focus()
    page.keyboard.press("Enter")
    assert answer.locator("xpath=..").locator("p").inner_text().startswith("✓ Yes")


def test_a_link_opens_the_fold_that_it_leads_to(show: Callable[[str], Any]) -> None:
    page = show(LESSON)
    section = page.locator("section", has_text="Three relatives").last.get_attribute("id")
    page = show(f"{LESSON}#{section}")
    page.reload()
    assert page.locator(f"[id='{section}'] > details").first.evaluate("fold => fold.open")


def test_a_table_sorts_by_number(show: Callable[[str], Any]) -> None:
    page = show("runs/reference-search.html")
    for _ in range(2):  # the second time from the highest down
        page.locator("th button", has_text="test_accuracy").first.focus()
        page.keyboard.press("Enter")
    heads = page.locator("th").all_inner_texts()
    column = next(place for place, head in enumerate(heads) if head.startswith("test_accuracy"))
    cells = [float(row.split("\t")[column]) for row in page.locator("tbody tr").all_inner_texts()]
    assert cells == sorted(cells, reverse=True)
    assert cells[0] > cells[-1]


@pytest.mark.parametrize("words", ["dying ReLU", "hardswish", "He initialisation"])
def test_the_search_finds(show: Callable[[str], Any], words: str) -> None:
    page = show(f"search.html?q={words.replace(' ', '+')}")
    page.locator("#search-results li a").first.wait_for()


def test_the_course_is_printed_with_an_outline_and_without_links_to_files(tmp_path: Path) -> None:
    try:
        printing.browser()
    except printing.PrintError:
        pytest.skip("needs Chromium")
    page = tmp_path / "index.html"
    page.write_text(
        '<h1>Course</h1><a href="notebooks/03_x.html">3</a> <a href="gone.html">4</a>'
        '<span id="document-notebooks/03_x"></span><h2>Lesson</h2>',
        encoding="utf-8",
    )
    printing.write_pdf(page, tmp_path / "course.pdf")
    printed = (tmp_path / "course.pdf").read_bytes()
    assert b"/Outlines" in printed
    assert b"03_x" in printed
    assert b"file:" not in printed
    assert {path.name for path in tmp_path.iterdir()} == {"index.html", "course.pdf"}
