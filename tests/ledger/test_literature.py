"""Who says what the claims say: every claim has a source, or is known to have none."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from nonlin.ledger import literature
from nonlin.ledger.literature import Source
from nonlin.lessons import CLAIMS

# Often repeated, but no text that could be looked up says it.
WITHOUT = {17, 25, 27, 32, 35, 38, 43, 47, 49}
SOURCES = {name: value for name, value in vars(literature).items() if isinstance(value, Source)}


def test_a_claim_has_a_source_or_is_known_to_have_none() -> None:
    assert {number for number, claim in CLAIMS.items() if not claim.said_by} == WITHOUT
    assert all(len(claim.said_by) <= 2 for claim in CLAIMS.values())


def test_every_source_is_of_a_claim_and_no_page_is_named_twice() -> None:
    cited = {source.on("") for claim in CLAIMS.values() for source in claim.said_by}
    assert cited == {*SOURCES.values()}
    assert len({source.url for source in cited}) == len(SOURCES)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_can_be_found(source: Source) -> None:
    address = urlsplit(source.url)
    assert address.scheme == "https"
    assert "." in address.netloc
    assert source.url.isascii()
    assert not {*source.url} & {*" ()<>"}
    assert source.authors
    assert source.title
    assert source.year is None or 1950 < source.year < 2100


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (Source(authors="Doe", year=2020, title="T", url="https://a.b"), "Doe (2020), T, https://a.b"),
        (Source(authors="A site", title="T", url="https://a.b"), "A site, T, https://a.b"),
        (Source(authors="A site", title="T", url="https://a.b", parts="ac"), "A site, T, https://a.b (a, c)"),
    ],
)
def test_a_source_is_shown_with_what_is_known_of_it(source: Source, shown: str) -> None:
    assert str(source) == shown


def test_a_source_of_a_part_that_is_none_is_refused() -> None:
    whole = CLAIMS[4]
    with pytest.raises(ValueError, match="claim 4 has no parts 'b' that Digital AI Finance could make"):
        replace(whole, said_by=(whole.said_by[0].on("b"),))
