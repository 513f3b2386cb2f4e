"""The built site: whole, readable by machines that read aloud, and without a server or a network."""

import ast
import csv
import re
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from nonlin.activations import ACTIVATIONS
from nonlin.activations.vectors import VECTOR_FUNCTIONS
from nonlin.commands import site as command
from nonlin.lessons import CLAIMS, EXERCISES, NEEDS, QUIZZES, glossary
from nonlin.notebooks import lessons as notebooks
from nonlin.site import activations, build, claims, lessons, links, overview, reference, runs
from nonlin.site.markdown import DOCS, anchor, from_docs

Pages = dict[str, links.Page]


def steps_down(headings: list[int]) -> list[tuple[int, int]]:
    """Where a heading follows one that is more than a level above it."""
    return [(above, below) for above, below in pairwise(headings) if below > above + 1]


def hold_to_what_readers_need(pages: Pages) -> None:
    """Every image has an alt text that is no file name; headings are in order, one of the first level on each page."""
    for address, page in pages.items():
        for image in page.images:
            alt = image.get("alt") or ""
            assert len(alt) > 10, (address, image)
            assert not alt.endswith((".png", ".svg")), (address, alt)
        if address != "search.html":  # whose heading its script writes
            assert page.headings.count(1) == 1, (address, page.headings)
            assert not steps_down(page.headings), (address, page.headings)


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path, pages: Pages) -> None:
    assert len(pages) > 30
    assert not list(links.faults(links.read(site)))
    for sheet in site.rglob("*.css"):
        found = re.findall(r"url\(\s*[\"']?([^\"')]+)", sheet.read_text(encoding="utf-8"))
        assert not [address for address in found if "//" in address and not address.startswith("data:")], sheet
    for script in site.rglob("*.js"):
        assert not re.search(r"(import|src\s*=|fetch\()\s*[\"']https?:", script.read_text(encoding="utf-8")), script


def test_readers_who_listen(pages: Pages) -> None:
    hold_to_what_readers_need(pages)


@pytest.mark.long
def test_the_whole_site(tmp_path: Path) -> None:
    built = build.build(tmp_path / "site")
    whole = {path.relative_to(built.folder).as_posix(): page for path, page in links.read(built.folder).items()}
    hold_to_what_readers_need(whole)
    names = {*notebook_addresses(), *(f"{activations.place(name)}.html" for name in activations.RECORDS)}
    names |= {f"{claims.place(number)}.html" for number in CLAIMS}
    assert names <= whole.keys()
    assert built.size < 60e6


def notebook_addresses() -> set[str]:
    return {f"notebooks/{path.stem}.html" for path in notebooks([])}


# What has a page


def test_every_lesson_record_claim_table_and_text_of_docs_has_its_page(pages: Pages) -> None:
    assert activations.RECORDS.keys() == {*ACTIVATIONS, *VECTOR_FUNCTIONS}
    whole = build.Contents()
    assert {path.stem[:2] for path in whole.lessons} == {*NEEDS}
    assert {f"{claims.place(number)}.md" for number in CLAIMS} <= claims.pages(whole.findings).keys()
    assert notebook_addresses() <= pages.keys()  # of those left out, too
    for path in runs.tables():
        assert f"runs/{runs.name_of(path)}.html" in pages
    for path in DOCS.glob("*.md"):
        assert f"{path.stem}.html" in pages


def test_every_public_name_is_in_the_reference(site: Path, contents: build.Contents, pages: Pages) -> None:
    for folder, paths in contents.folders.items():
        for path in paths:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for name, _ in reference.public(tree):
                assert f"{reference.module_name(path)}.{name}" in pages[f"reference/{folder}.html"].places
    packaged = {path for path in reference.PACKAGE.rglob("*.py") if not path.stem.startswith("__main__")}
    covered = {path for paths in reference.folders().values() for path in paths}
    assert {path for path in packaged if not path.stem.startswith("_") or path.stem == "__init__"} == covered


def test_every_page_can_be_reached(site: Path, pages: Pages) -> None:
    """From the first page, over links; pages of lessons that were left out stand for themselves."""
    reached, ahead = set(), ["index.html"]
    while ahead:
        address = ahead.pop()
        if address in reached or address not in pages:
            continue
        reached.add(address)
        folder = (site / address).parent
        targets = [link.partition("#")[0] for link in pages[address].links if "://" not in link]
        ahead += [(folder / target).resolve().relative_to(site).as_posix() for target in targets if target]
    assert pages.keys() - reached <= {"search.html"}  # a form leads there


# What a page holds


def test_a_lesson_is_answered_in_its_page(site: Path) -> None:
    text = (site / "notebooks" / "03_sigmoid_and_tanh.html").read_text(encoding="utf-8")
    names = set(re.findall(r'class="predict" data-name="(\w+)"', text))
    assert names
    hidden = {
        name for classes in re.findall(r'class="output ([^"]*)', text) for name in re.findall(r"await-(\w+)", classes)
    }
    assert hidden == names  # what shows the answer waits for it
    assert text.count("<summary>Solution of exercise 03.") == sum(number.startswith("03") for number in EXERCISES)
    for question in QUIZZES["03"].questions:
        assert sum(option.right for option in question.options) == 1
    assert text.count("✓ Yes") == len(QUIZZES["03"].questions)
    assert "replace the ..." not in text
    assert "Going further" in text
    assert "Unfold this part" in text


def test_outputs_wait_for_their_predictions_alone() -> None:
    path = next(path for path in notebooks(["00"]))
    page = lessons.pages([path])[f"notebooks/{path.stem}.md"]
    before = page.partition('class="predict"')[0]
    assert "await-" not in before


def test_a_page_of_an_activation_says_what_its_record_says(site: Path) -> None:
    text = (site / "activations" / "gelu.html").read_text(encoding="utf-8")
    for part in ("Facts", "In code", "Trained networks", "In the guide", "Hendrycks", "GELU", "1.129"):
        assert part in text


def test_a_name_is_a_word_of_its_own() -> None:
    assert activations.names("Tanh's slope", "Tanh")
    assert activations.names("with tanh", "Tanh")
    assert not activations.names("ReLU6 clips", "ReLU")
    assert not activations.names("Leaky-ReLU", "ReLU")


def test_terms_lead_to_the_glossary(site: Path, pages: Pages) -> None:
    places = {f"term-{anchor(term)}" for term in glossary()}
    assert len(places) == len(glossary())
    assert places <= pages["glossary.html"].places
    assert any("glossary.html#term-" in link for link in pages["notebooks/03_sigmoid_and_tanh.html"].links)


def test_the_drawn_order_is_that_of_the_lessons() -> None:
    drawn = overview.drawn_order()
    assert drawn.count("<path") == sum(map(len, NEEDS.values()))
    assert drawn.count("<a ") == len(NEEDS)


def test_tables_can_be_taken_along(site: Path) -> None:
    for path in runs.tables():
        taken = site / "_static" / "tables" / f"{runs.name_of(path)}.csv"
        assert taken.read_bytes() == path.read_bytes()
        with taken.open(encoding="utf-8", newline="") as file:
            rows = len(list(csv.reader(file))) - 1
        assert (site / "runs" / f"{runs.name_of(path)}.html").read_text(encoding="utf-8").count("<tr>") >= rows


def test_the_cheat_sheet_is_there_in_both_forms(site: Path) -> None:
    assert (site / "_static" / "cheat_sheet.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in (site / "_static" / "cheat_sheet.svg").read_bytes()


def test_the_archive_holds_the_site(site: Path, pages: Pages) -> None:
    with zipfile.ZipFile(site / f"{build.TAKEN_ALONG}.zip") as archive:
        assert pages.keys() <= {*archive.namelist()}


@pytest.mark.parametrize("words", ["dying relu", "hardswish", "softplus", "initialisation"])
def test_the_search_knows(site: Path, words: str) -> None:
    from snowballstemmer import stemmer

    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for word in words.split():
        assert f'"{stemmer("english").stemWord(word)}"' in index, word


def test_katex_is_whole(site: Path) -> None:
    """Its style sheet, fonts and script are of one version."""
    folder = site / "_static" / "katex"
    sheet = (folder / "katex.min.css").read_text(encoding="utf-8")
    version = re.search(r'katex-version:after\{content:"([\d.]+)"', sheet)[1]
    assert f'"{version}"' in (folder / "katex.min.js").read_text(encoding="utf-8")
    fonts = set(re.findall(r"url\((fonts/[^)]+)\)", sheet))
    assert fonts == {f"fonts/{path.name}" for path in (folder / "fonts").iterdir()}


# Links and words


FAULTY = {
    "gone.html": ("a.html", '<a href="nowhere.html">x</a>', "which is not there"),
    "place": ("a.html", '<a href="#nowhere">x</a>', "a place that the page does not have"),
    "far": ("a.html", '<script src="https://example.org/x.js"></script>', "from elsewhere"),
    "sheet": ("a.html", '<link rel="stylesheet" href="//example.org/x.css">', "from elsewhere"),
}


@pytest.mark.parametrize(("name", "markup", "said"), FAULTY.values(), ids=FAULTY)
def test_the_check_of_links_sees(tmp_path: Path, name: str, markup: str, said: str) -> None:
    (tmp_path / name).write_text(markup, encoding="utf-8")
    found = list(links.faults(links.read(tmp_path)))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    "markup", ['<a href="https://example.org">x</a>', '<p id="there"><a href="a.html#there">x</a>']
)
def test_the_check_of_links_lets_pass(tmp_path: Path, markup: str) -> None:
    (tmp_path / "a.html").write_text(markup, encoding="utf-8")
    assert not list(links.faults(links.read(tmp_path)))


def test_docs_lead_to_pages_and_not_to_files() -> None:
    text = "[a](../notebooks/03_x.ipynb), [b](../data/results/README.md), [c](../src/x.py), [d](e.md)"
    assert from_docs(text) == "[a](notebooks/03_x.md), [b](runs.md), c, [d](e.md)"


def test_docstrings_keep_their_bars_and_stars() -> None:
    assert reference.escaped("the size |x|, f(*args), apply_, ``|y| * z_`` and **bold**") == (
        r"the size \|x\|, f(\*args), apply\_, ``|y| * z_`` and **bold**"
    )


# The command


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(build.SiteError, match="holds something else than a site"):
        build.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_fault_in_a_page_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"index.md": "# Title\n\n[nowhere](nowhere.md)\n"}
    monkeypatch.setattr(build, "_pages", lambda contents: pages)
    with pytest.raises(build.SiteError, match=r"faults; the first is: .*nowhere"):
        build.build(tmp_path / "site")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from nonlin.__main__ import main

    made = build.Site(folder=tmp_path, pages=3, size=2_000_000, seconds=4.0)
    monkeypatch.setattr(build, "build", lambda folder, pdf: made)
    assert main(["site", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"3 pages, 2 MB, in 4 s: {tmp_path / 'index.html'}\n"
    assert command.__doc__
