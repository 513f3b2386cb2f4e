"""All links to the published course follow one setting."""

from email.message import Message

import pytest

from nonlin import address
from nonlin.site.markdown import links


@pytest.mark.parametrize("said", ["https://github.com/someone/course", "https://github.com/someone/course.git"])
def test_links_follow_the_setting(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Message()
    facts["Project-URL"] = "Homepage, https://example.org"
    facts["Project-URL"] = f"Repository, {said}"
    monkeypatch.setattr(address, "metadata", lambda name: facts)
    assert address.repository() == "https://github.com/someone/course"
    shown = links("notebooks/04_relu.ipynb", runs=True)
    assert "](https://github.com/someone/course/edit/main/notebooks/04_relu.ipynb)" in shown
    assert "](https://colab.research.google.com/github/someone/course/blob/colab/04_relu.ipynb)" in shown
    assert "Run this lesson" not in links("docs/using.md")


def test_a_course_that_is_published_elsewhere_has_no_link_to_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "repository", lambda: "https://example.org/course")
    assert address.colab_link("04_relu.ipynb") is None
    assert "Run this lesson" not in links("notebooks/04_relu.ipynb", runs=True)


def test_without_an_address_there_are_no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "metadata", lambda name: Message())
    assert links("notebooks/04_relu.ipynb", runs=True) == ""
