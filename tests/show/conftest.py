"""A browser in which pages are opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser import Page, browser, found

Open = Callable[[str], Page]


@pytest.fixture(scope="package")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = found()
    if program is None:
        pytest.skip("there is no Chromium here")
    with browser(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def show(tab: Page, tmp_path: Path) -> Iterator[Open]:
    """Open a page of this text; in the end nothing was complained of or fetched."""
    tab.problems.clear()
    tab.requests.clear()
    tab.prefer(color_scheme="light")
    tab.resize(1200, 900)
    path = tmp_path / "page.html"

    def to(text: str) -> Page:
        path.write_text(text, encoding="utf-8")
        tab.open(path)
        assert tab.run("document.documentElement.dataset.ready") == "yes"
        return tab

    yield to
    assert tab.problems == []
    fetched = [url for url in tab.requests if not url.startswith("data:")]
    assert set(fetched) <= {path.as_uri()}
