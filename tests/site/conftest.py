"""One small site for all tests of it: two lessons, and few pages of each other kind."""

from pathlib import Path

import pytest

from nonlin.site import build, links

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
    """The folder of the small site."""
    folder = tmp_path_factory.mktemp("site") / "site"
    build.build(folder, contents)
    return folder.resolve()


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, links.Page]:
    """Its pages by their addresses."""
    return {path.relative_to(site).as_posix(): page for path, page in links.read(site).items()}
