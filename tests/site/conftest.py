"""One small site for all tests of it: two lessons, and few pages of each other kind; and one browser.

The browser needs ``pip install -e .[browser]`` and Chromium; what takes it is skipped without them.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nonlin.site import build, links

PUBLISHED = "https://github.com/someone/course"
LESSONS, RECORDS, CLAIMS, FOLDERS = ("00", "03"), ("relu", "gelu", "swiglu"), (1, 3), ("nonlin", "nonlin.activations")


@pytest.fixture(scope="session")
def contents() -> build.Contents:
    """What the small site holds, so that it is built in seconds; with --long a test builds everything."""
    whole = build.Contents()
    return build.Contents(
        lessons=[path for path in whole.lessons if path.stem[:2] in LESSONS],
        records={name: whole.records[name] for name in RECORDS},
        findings={number: whole.findings[number] for number in CLAIMS},
        networks=whole.networks[:1],
        folders={name: whole.folders[name] for name in FOLDERS},
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, contents: build.Contents) -> Path:
    """The folder of the small site, as of a course that is published."""
    folder = tmp_path_factory.mktemp("site") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nonlin.address.repository", lambda: PUBLISHED)
        build.build(folder, contents)
    return folder.resolve()


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, links.Page]:
    """Its pages by their addresses."""
    return {path.relative_to(site).as_posix(): page for path, page in links.read(site).items()}


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where it is. Whoever needs a site, too, asks for this first: no site is built to be skipped."""
    pytest.importorskip("playwright.sync_api")
    return shutil.which("chromium") or pytest.skip("needs Chromium")


@pytest.fixture(scope="module")  # Playwright's loop would be in the way of other tests' own
def browser(chromium: str) -> Iterator[Any]:
    """Chromium."""
    from playwright import sync_api as playwright

    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A tab that may not complain, nor ask for anything but files; it never has a network.

    Its parameter: the colour scheme and the width; light and wide without.
    """
    scheme, width = getattr(request, "param", ("light", 1280))
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce", offline=True
    )
    context.set_default_timeout(120_000)  # milliseconds; a busy machine takes its time
    page, complaints = context.new_page(), []
    page.on("console", lambda said: said.type == "log" or complaints.append((page.url, said.text)))
    page.on("pageerror", lambda error: complaints.append((page.url, str(error))))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or complaints.append(asked.url))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def grave() -> Callable[[Any], list[tuple[str, str]]]:
    """What axe calls serious or critical in a page: its rules, each with the first place."""
    axe = pytest.importorskip("axe_playwright_python")
    script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")

    def found(page: Any) -> list[tuple[str, str]]:
        page.evaluate(script)
        # What it preloads cannot be had from a folder.
        said = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")["violations"]
        return [(each["id"], each["nodes"][0]["html"]) for each in said if each["impact"] in ("serious", "critical")]

    return found
