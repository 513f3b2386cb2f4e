"""The built site: whole, readable by machines that read aloud, and without a server or a network."""

import ast
import contextlib
import csv
import errno
import os
import re
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from nonlin.activations import ACTIVATIONS
from nonlin.activations.vectors import VECTOR_FUNCTIONS
from nonlin.commands import site as command
from nonlin.errors import ReaderError
from nonlin.lessons import CLAIMS, EXERCISES, NEEDS, QUIZZES, glossary
from nonlin.notebooks import lessons as notebooks
from nonlin.site import activations, build, claims, explorer, lessons, links, overview, reference, runs
from nonlin.site.markdown import DOCS, ROOT, anchor, evidence, with_links

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


def test_a_claims_page_says_by_whom_it_is_said() -> None:
    written = claims.pages(build.Contents().findings)
    for number, claim in CLAIMS.items():
        page = written[f"{claims.place(number)}.md"].partition(f"## {claim.names[0]}")[0]
        assert all(f"]({source.url}){source.of}" in page for source in claim.said_by), number
        assert ("Said by " in page) != ("no source of it" in page), number
        assert ("Said by " in page) == bool(claim.said_by), number


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


@pytest.mark.parametrize("name", activations.RECORDS)
def test_the_code_to_copy_runs(name: str) -> None:
    names: dict = {}
    exec(activations.in_code(activations.RECORDS[name]) + ".sum().item()", names)
    assert len(names["x"]) == 8


@pytest.mark.parametrize("name", ["gelu", "softmax"])
def test_a_record_that_nobody_names_has_a_page(name: str) -> None:
    """A new one, before the guide, a claim or a run says anything of it."""
    page = "".join(activations._page(replace(activations.RECORDS[name], name="unheard", title="Unheard-of"), "", {}))
    assert re.findall("## (.*)", page) == ["Facts", "In code"]


@pytest.mark.parametrize(
    ("said", "linked"),
    [
        ("c12a, L13", "[claim 12a](../claims/12.md), [lesson 13](../notebooks/13_training.md)"),
        ("c3", "[claim 3](../claims/03.md)"),
        ("practice", "practice"),
        ("bc12, c123, L1x", "bc12, c123, L1x"),
    ],
)
def test_evidence_leads_to_its_page(said: str, linked: str) -> None:
    assert evidence(said, "../") == linked


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


def test_the_archive_is_a_whole_site_in_one_folder(site: Path, pages: Pages, tmp_path: Path) -> None:
    with zipfile.ZipFile(site / build.ARCHIVE) as archive:
        archive.extractall(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [build.TAKEN_ALONG]
    taken = links.read((tmp_path / build.TAKEN_ALONG).resolve())
    assert {path.relative_to(tmp_path.resolve() / build.TAKEN_ALONG).as_posix() for path in taken} == pages.keys()
    assert not list(links.faults(taken))


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


@pytest.mark.parametrize("published", [None, "https://example.org/x"])
def test_docs_lead_to_pages_and_not_to_files(published: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonlin.address.repository", lambda: published)
    text = "[a](../notebooks/03_x.ipynb), [b](../data/results/README.md), [c](../src/x.py), [d](e.md)"
    source = f"[c]({published}/blob/main/src/x.py)" if published else "c"
    assert with_links(text) == f"[a](notebooks/03_x.md), [b](runs.md), {source}, [d](e.md)"


def test_a_published_course_says_where_it_can_be_edited_and_run(contents: build.Contents, pages: Pages) -> None:
    lessons = {f"notebooks/{path.stem}.html": f"edit/main/notebooks/{path.name}" for path in contents.lessons}
    said = {f"{path.stem}.html": f"edit/main/docs/{path.name}" for path in DOCS.glob("*.md")} | lessons
    said |= {f"{activations.place(name)}.html": "edit/main/src/nonlin/activations/" for name in contents.records}
    said |= {f"{claims.place(number)}.html": "edit/main/src/nonlin/lessons/" for number in contents.findings}
    said |= {"guide.html": "edit/main/src", "cheat_sheet.html": "edit/main/src", "runs.html": "edit/main/data"}
    said |= {f"reference/{folder}.html": "blob/main/src/nonlin/" for folder in contents.folders}
    for name, place in said.items():
        found = [link for link in pages[name].links if link.startswith("https://github.com/someone/course/")]
        assert any(link.removeprefix("https://github.com/someone/course/").startswith(place) for link in found), name
        assert all((ROOT / link.partition("/main/")[2].partition("#")[0]).exists() for link in found), (name, found)
    for name in lessons:
        assert any(link.startswith("https://colab.research.google.com/github/someone/") for link in pages[name].links)


def test_docstrings_keep_their_bars_and_stars() -> None:
    assert reference.escaped("the size |x|, f(*args), apply_, ``|y| * z_`` and **bold**") == (
        r"the size \|x\|, f(\*args), apply\_, ``|y| * z_`` and **bold**"
    )


# The command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Building takes no time: the site holds these pages, and nothing else."""
    pages = {"index.html": "<h1>Title</h1>", "more/page.html": "<h1>Page</h1>"}
    monkeypatch.setattr(build, "_pages", lambda contents, pdf: {})
    monkeypatch.setattr(build, "_make", lambda sources, built, *rest: build._write(built, pages))
    monkeypatch.setattr(explorer, "build", lambda folder, home: None)
    return pages


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_with_something_else(place: Path) -> Path:
    (place / "mine.txt").write_text("mine", encoding="utf-8")
    return place


def another_projects_pages(place: Path) -> Path:
    (place / ".buildinfo").write_text("# Sphinx build info version 1", encoding="utf-8")
    return place


def another_archive(place: Path) -> Path:
    with zipfile.ZipFile(place / build.ARCHIVE, "w") as archive:
        archive.writestr("mine.txt", "mine")
    return place


def damaged_archive(place: Path) -> Path:
    (place / build.ARCHIVE).write_bytes(b"PK")
    return place


def a_file(place: Path) -> Path:
    (place / "file").touch()
    return place / "file"


def below_a_file(place: Path) -> Path:
    return a_file(place) / "site"


def a_loop(place: Path) -> Path:
    (place / "loop").symlink_to(place / "loop")
    return place / "loop"


def among_the_sources(place: Path) -> Path:
    return DOCS / "_static" / "site"


def nowhere(place: Path) -> Path:
    return Path("/proc/site")


REFUSED = (
    one_with_something_else, another_projects_pages, another_archive, damaged_archive, a_file, below_a_file, a_loop,
    among_the_sources, nowhere,
)  # fmt: skip


@pytest.mark.parametrize("folder", REFUSED)
def test_what_is_no_place_for_a_site_is_left_alone(folder, tmp_path: Path, quick: dict[str, str]) -> None:
    place = folder(tmp_path)
    before = files(tmp_path)
    with pytest.raises(build.SiteError, match=r"^[^\n]+: name an(other| empty) folder|name a folder elsewhere"):
        build.build(place)
    assert files(tmp_path) == before
    assert not among_the_sources(tmp_path).exists()


def test_a_new_site_replaces_the_files_of_the_old_one_alone(tmp_path: Path, quick: dict[str, str]) -> None:
    folder = tmp_path / "new" / "site"
    build.build(folder)
    (folder / "CNAME").write_text("mine", encoding="utf-8")
    quick["index.html"] = "<h1>Other</h1>"
    del quick["more/page.html"]
    build.build(folder)
    assert files(folder).keys() == {"index.html", "CNAME", build.ARCHIVE}
    assert (folder / "index.html").read_text(encoding="utf-8") == "<h1>Other</h1>"


@pytest.mark.parametrize("after", range(4))
def test_a_stop_at_any_file_is_mended_by_the_next(after, tmp_path, quick, monkeypatch) -> None:
    build.build(tmp_path)
    quick |= {"index.html": "<h1>Other</h1>", "new.html": "<h1>New</h1>"}
    del quick["more/page.html"]
    moved, move = [], Path.replace

    def stopped(path: Path, target: Path) -> Path:
        moved.append(path)
        if len(moved) > after:
            raise KeyboardInterrupt
        return move(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        with contextlib.suppress(KeyboardInterrupt):
            build.build(tmp_path)
    build.build(tmp_path)
    assert files(tmp_path).keys() == {*quick, build.ARCHIVE}


def test_two_at_once_build_one_site(tmp_path: Path, quick: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    make = build._make

    def in_between(*arguments: object) -> None:
        monkeypatch.setattr(build, "_make", make)
        build.build(tmp_path / "site")
        make(*arguments)

    monkeypatch.setattr(build, "_make", in_between)
    build.build(tmp_path / "site")
    assert files(tmp_path / "site").keys() == {*quick, build.ARCHIVE}


def test_a_full_disk_leaves_nothing(tmp_path: Path, quick: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(build, "_make", full)
    with pytest.raises(ReaderError, match=r"No space left on device.*make room"):
        build.build(tmp_path / "site")
    assert not list(tmp_path.iterdir())


def test_no_page_is_built_in_vain_where_none_can_be_printed(
    tmp_path: Path, quick: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "_make", lambda *arguments: pytest.fail("it was built"))
    with pytest.raises(ReaderError, match=r"Chromium or Chrome.*install one"):
        build.build(tmp_path / "site", pdf=True)
    assert not list(tmp_path.iterdir())


def test_a_lesson_that_is_missing_is_named(contents: build.Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    there = notebooks([])
    monkeypatch.setattr(build, "notebooks", lambda names: [path for path in there if path.stem[:2] != "05"])
    with pytest.raises(build.SiteError, match=r"lesson 05 has no notebook in .*: restore it"):
        build._pages(contents)


def test_a_fault_in_a_page_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"index.md": "# Title\n\n[nowhere](nowhere.md)\n"}
    monkeypatch.setattr(build, "_pages", lambda contents, pdf: pages)
    with pytest.raises(build.SiteError, match=r"faults; the first is: index\.md:3: .*nowhere.* \(in '\[nowhere\]"):
        build.build(tmp_path / "site")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from nonlin.__main__ import main

    made = build.Site(folder=tmp_path, pages=3, size=2_000_000, seconds=4.0)
    monkeypatch.setattr(build, "build", lambda folder, pdf: made)
    assert main(["site", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"3 pages, 2 MB, in 4 s: {tmp_path / 'index.html'}\n"
    assert command.__doc__
