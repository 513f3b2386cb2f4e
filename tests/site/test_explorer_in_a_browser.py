"""The explorer in Chromium: by keyboard, from a link, light, dark, narrow."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import test_explorer

from nonlin.site import explorer

LINK = "#f=relu&f=gelu&f=elu,alpha:0.5&f=threshold,threshold:0.5&from=-4&to=4&at=0.5&mean=0.5&sd=1.5"
HARD = [  # what makes numbers infinite, tiny or absent
    "#",
    "#from=-1&to=1",
    "#f=celu,alpha:-0.001&f=squared_relu&mean=1e6&sd=1e6",
    "#f=sine,frequency:1e9&f=softplus,beta:-1e-9&from=-1e-9&to=1e-9",
    "#f=threshold,threshold:1e300,value:-1e300&f=hardtanh,min_val:-1e300,max_val:1e300&from=-1e6&to=1e6",
    "#f=elu,alpha:0&f=leaky_relu,negative_slope:0&f=hardshrink,lambd:-1&f=swish,beta:0&mean=-9",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("explorer")
    explorer.build(folder)
    return (folder / "index.html").as_uri()


LOOKS = pytest.mark.parametrize(
    "tab", [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)], indirect=True, ids=str
)


@LOOKS
def test_nothing_serious_and_nothing_too_wide(tab: Any, address: str, grave: Callable[[Any], list]) -> None:
    tab.goto(address + LINK)
    for fold in tab.query_selector_all("details"):
        fold.evaluate("fold => { fold.open = true; }")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("document.getAnimations().length") == 0
    assert not grave(tab)


def test_every_control_is_reached_by_keyboard_and_shows_it(tab: Any, address: str) -> None:
    tab.goto(address + LINK)
    reached = []
    for _ in range(80):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if reached[-1] == "BODY":
            break
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", reached[-1]
    controls = tab.evaluate("[...document.querySelectorAll('input, select, button')].map((each) => each.id)")
    assert set(controls) <= set(reached)
    assert [each for each in reached if each in controls] == controls


def test_by_keyboard_alone(tab: Any, address: str) -> None:
    tab.goto(address)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # the skip link
    assert tab.evaluate("document.activeElement.id") == "curves"
    for _ in range(3):
        tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "at-slider"
    for _ in range(100):
        tab.keyboard.press("ArrowLeft")
    assert "Values at x = 0" in tab.inner_text("#readout")
    assert "δ of weight 1" in tab.inner_text("#readout")
    tab.wait_for_function("document.getElementById('live').textContent.startsWith('x = 0. ReLU: f = 0, slope 0')")
    tab.focus("#f1")
    tab.keyboard.type("ELU")
    tab.keyboard.press("Tab")
    for _ in range(50):
        tab.keyboard.press("ArrowLeft")
    tab.wait_for_function("location.hash.includes('f=elu,alpha:0.5')")
    tab.keyboard.press("Tab")
    for text, said in (("abc", "finite number"), ("-1.5", "")):
        tab.keyboard.press("Control+a")
        tab.keyboard.press("Delete")
        tab.keyboard.type(text)
        assert said in tab.inner_text("#e1")
    tab.wait_for_function("location.hash.includes('alpha:-1.5')")
    assert "δ of weight 2.5" in tab.inner_text("#readout")


def test_a_number_outside_the_domain_is_refused_in_a_sentence(tab: Any, address: str) -> None:
    tab.goto(address + "#f=sine&f=hardtanh")
    tab.fill("#p0-frequency", "-2")
    assert tab.inner_text("#e0") == "Sine takes frequency in (0, ∞), not −2. It stays at 1."
    assert tab.get_attribute("#p0-frequency", "aria-invalid") == "true"
    tab.fill("#p1-min_val", "7")
    assert tab.inner_text("#e1") == "Hardtanh needs min_val < max_val. It stays at −1."
    tab.fill("#p1-min_val", "0")
    assert tab.inner_text("#e1") == ""
    tab.fill("#sd", "0")
    assert tab.inner_text("#dist-error") != ""


def test_the_pointer_moves_the_cursor(tab: Any, address: str) -> None:
    tab.goto(address + "#f=relu")
    tab.hover("#plots figure:nth-child(2) svg", position={"x": 58 + 5, "y": 100})
    assert "Values at x = −4.9" in tab.inner_text("#readout")


def test_a_link_brings_everything_back(tab: Any, address: str) -> None:
    tab.goto(address + LINK)
    assert [tab.input_value(f"#f{i}") for i in range(4)] == ["relu", "gelu", "elu", "threshold"]
    assert tab.input_value("#p2-alpha") == "0.5"
    tab.fill("#at", "-0.25")
    tab.click("#share")
    assert "link" in tab.inner_text("#shared")
    link, values = tab.evaluate("location.hash"), tab.inner_text("#readout")
    tab.goto("about:blank")
    tab.goto(address + link)
    assert link == LINK.replace("at=0.5", "at=-0.25")
    assert tab.inner_text("#readout") == values
    tab.goto(address + "#f=tanh")  # as when a link is pasted into the open page
    tab.wait_for_function("document.getElementById('f0').value === 'tanh'")
    tab.goto(address + "#f=nothing")
    tab.wait_for_function("document.getElementById('complaints').textContent.includes('“nothing”')")


@pytest.mark.parametrize("link", HARD)
def test_no_number_breaks_the_page(tab: Any, address: str, link: str) -> None:
    tab.goto(address + link)
    tab.wait_for_selector("#pictures canvas")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn = tab.evaluate("[...document.querySelectorAll('path, text, circle')].map((each) => each.outerHTML)")
    assert not [each for each in drawn if "NaN" in each or "Infinity" in each]


def test_every_drawing_has_words(tab: Any, address: str) -> None:
    tab.goto(address + LINK)
    words = tab.evaluate("[...document.querySelectorAll('[role=img]')].map((each) => each.getAttribute('aria-label'))")
    assert len(words) == 3 + 5 + 5
    assert all(len(each) > 40 for each in words)
    assert "lowest −0.17 near x = −0.75" in words[0]
    assert "δ of weight 0.5" in tab.text_content("#curve-table")


def test_chromium_computes_what_pytorch_does(tab: Any, address: str) -> None:
    tab.goto(address)
    page = test_explorer.Page.__new__(test_explorer.Page)
    page.engine = SimpleNamespace(eval=tab.evaluate)
    test_explorer.test_values_and_both_derivatives_are_pytorchs(page=page)


@pytest.mark.parametrize(("chosen", "colour"), {"dark": "rgb(23, 23, 27)", "light": "rgb(255, 255, 255)"}.items())
def test_it_looks_as_was_chosen_on_other_pages(tab: Any, address: str, chosen: str, colour: str) -> None:
    tab.goto(address)
    tab.evaluate(f"localStorage.setItem('theme', '{chosen}')")
    tab.reload()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == colour


def test_it_draws_without_a_complaint_while_it_is_not_shown(tab: Any, address: str) -> None:
    tab.goto(address)
    tab.evaluate("document.body.hidden = true; load('#f=tanh')")
    assert tab.locator("#plots figure").count() == 3


def test_another_width_draws_anew(tab: Any, address: str) -> None:
    tab.goto(address)
    tab.set_viewport_size({"width": 400, "height": 800})
    tab.wait_for_function("document.querySelector('#plots svg').width.baseVal.value < 400")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_all_follows_a_parameter(tab: Any, address: str) -> None:
    tab.goto(address + "#f=leaky_relu")
    places = ("#plots figure:nth-child(3)", "#facts", "#dist-table", "#dists", "#pictures")
    before = [tab.inner_html(place) for place in places]
    tab.fill("#p0-negative_slope", "0.7")
    tab.wait_for_function("document.getElementById('pictures').textContent.includes('a = 0.7')")
    assert all(one != other for one, other in zip(before, map(tab.inner_html, places), strict=True))
