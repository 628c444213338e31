"""The leaderboard in real Chromium, as its reader uses it. The marker is ``browser``."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_leaderboard import study

from benchmark.report.leaderboard import collected, html

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytest_plugins = ["in_chromium"]
pytestmark = pytest.mark.browser
ROWS = ("none", "cyclical", "beta", "free_bits dimension")


@pytest.fixture
def page(chromium: "BrowserContext", tmp_path: Path) -> Iterator["Page"]:
    """The page of two corpora; it must not complain, nor ask for anything but itself."""
    bf16 = study(rows=ROWS[:2], config={"precision": "bf16"})
    for one in bf16:
        one["id"] += "b"
    corpora = collected.corpora({"first": study(rows=ROWS), "second": bf16})
    file = tmp_path / "leaderboard.html"
    file.write_text(html.page(corpora, 40, "tables"), encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    opened = chromium.new_page()
    opened.set_viewport_size({"width": 400, "height": 900})
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    opened.close()
    assert said == []
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


def shown(page: "Page", number: int) -> list[str]:
    """Labels of the rows of a corpus that are drawn, from top to bottom."""
    heads = page.locator(f"#corpus-{number} tbody th:visible").all()
    return [str(head.get_attribute("data-value")) for head in heads]


def head(page: "Page", number: int, title: str) -> "Locator":
    return page.locator(f"#corpus-{number}").get_by_role("columnheader", name=title, exact=True)


def test_rows_sort_filter_and_download(page: "Page", tmp_path: Path) -> None:
    first = 1 if "fp32" in page.locator("#corpus-1 h2").inner_text() else 0
    ranked = ["free_bits dimension", "beta", "cyclical", "none"]
    assert shown(page, first) == ["lstm_lm", *ranked]
    column = head(page, first, "IW-NLL minus language model")
    column.get_by_role("button").click()
    assert shown(page, first) == ["lstm_lm", *ranked]  # the language model stays above
    column.get_by_role("button").click()
    assert shown(page, first) == ["lstm_lm", *ranked[::-1]]
    assert column.get_attribute("aria-sort") == "descending"
    head(page, first, "method").get_by_role("button").click()
    assert shown(page, first) == ["lstm_lm", *sorted(ranked)]
    assert column.get_attribute("aria-sort") == "none"

    assert page.locator("output").inner_text() == "8 rows, 2 corpora"
    page.get_by_role("searchbox", name="Method").fill("FREE dimension")
    assert shown(page, first) == ["free_bits dimension"]
    assert shown(page, 1 - first) == []
    assert not page.locator(f"#corpus-{1 - first}").is_visible()
    assert page.locator("output").inner_text() == "1 row, 1 corpus"
    page.get_by_role("searchbox", name="Method").fill("no such")
    assert page.locator("#nothing").is_visible()
    page.get_by_role("searchbox", name="Method").fill("cyclical")
    page.get_by_role("combobox", name="Corpus").select_option("ptb, bf16")
    assert page.locator("output").inner_text() == "1 row, 1 corpus"
    assert page.locator(".matrix thead th:visible").count() == 2

    with page.expect_download() as download:
        page.get_by_role("button", name="Download csv").click()
    assert download.value.suggested_filename == "leaderboard.csv"
    download.value.save_as(tmp_path / "got.csv")
    with open(tmp_path / "got.csv", encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["corpus"], row["method"], row["n"], row["alive"]) == (
        "ptb, bf16",
        "cyclical",
        "5",
        "5",
    )
    assert float(row["minus_lm"]) == pytest.approx(-2.0)
    assert row["minus_lm_text"].startswith("−2.00 ± ")


@pytest.mark.parametrize("width", [400, 1000, 1400])
def test_nothing_runs_over_the_edge(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for box in page.locator(".box").all():
        size = box.bounding_box()
        assert size is not None
        assert size["x"] >= 0
        assert size["x"] + size["width"] <= width
