"""The page of a study in real Chromium, as it looks. The marker is ``browser``."""

import itertools
import re
from typing import Any

import pytest

pytest_plugins = ["in_chromium"]
pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [400, 1000, 1400])
@pytest.mark.parametrize("name", ["quickstart", "confound_exact", "hostile"])
def test_nothing_is_wider_than_the_window(visit: Any, name: str, width: int) -> None:
    page = visit(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for choice in page.locator(".columns input").all():
        choice.check()
    for fold in page.locator("details:visible > summary").all():
        if not fold.evaluate("fold => fold.parentElement.open"):
            fold.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".panel:visible").count() > 0
    for panel in page.locator(".panel:visible").all():
        assert panel.bounding_box()["width"] <= width


@pytest.mark.parametrize("width", [400, 1440])
def test_cells_do_not_overlap(visit: Any, width: int) -> None:
    """No cell's text runs out of it, none lies upon its neighbour, sections follow one another."""
    page = visit("confound_exact", width)
    faults = page.evaluate("""() => [...document.querySelectorAll("table.sorted tr")]
      .filter(row => row.className !== "runs" && row.checkVisibility())
      .map(row => [...row.cells].filter(cell => cell.checkVisibility()))
      .flatMap(cells => cells.filter((cell, i) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        const [text, box] = [range.getBoundingClientRect(), cell.getBoundingClientRect()];
        const next = i && cells[i + 1]?.getBoundingClientRect();
        return text.left < box.left - 1 || text.right > box.right + 1
          || (next && box.right > next.left + 1);
      })).map(cell => cell.textContent)""")
    assert faults == []
    tops = page.evaluate("""() => [...document.querySelectorAll("header, main > section, footer")]
      .map(e => e.getBoundingClientRect()).map(box => [box.top, box.bottom])""")
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(tops))


def test_head_and_first_column_stay_while_the_box_scrolls(visit: Any) -> None:
    page = visit("confound_exact", 600, 400)
    page.locator(".columns input").first.check()
    box = page.locator("section > .box").first
    box.scroll_into_view_if_needed()
    before = box.bounding_box()
    box.evaluate("box => box.scrollTo(500, 40)")
    assert box.evaluate("box => [box.scrollLeft, box.scrollTop]") == [500, 40]
    corner = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).textContent.trim()",
        [before["x"] + 20, before["y"] + 12],
    )
    left = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('tr > *').cellIndex",
        [before["x"] + 20, before["y"] + 200],
    )
    assert (corner, left) == ("baseline", 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(visit: Any, scheme: str) -> None:
    """Contrast of text and ground by WCAG, at least 4.5."""
    page = visit("quickstart")
    page.emulate_media(color_scheme=scheme)
    page.locator("table.sorted th summary").first.click()
    pairs = page.evaluate("""() => {
      const ground = e => { const c = getComputedStyle(e).backgroundColor;
        return c === "rgba(0, 0, 0, 0)" && e.parentElement ? ground(e.parentElement) : c; };
      const kinds = "h1, p, dt, dd, th, td, a, code, .copy, .chip, .what, figcaption, footer";
      return [...document.querySelectorAll(kinds)]
        .filter(e => e.checkVisibility())
        .map(e => [getComputedStyle(e).color, ground(e)]); }""")
    assert len({ground for _, ground in pairs}) > 1
    assert (luminance(pairs[0][1]) > 0.5) == (scheme == "light")
    for ink, ground in set(map(tuple, pairs)):
        low, high = sorted((luminance(ink), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


def luminance(color: str) -> float:
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.1)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_print_shows_whole_tables(visit: Any) -> None:
    page = visit("confound_exact", 1030)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1030
    boxes = page.evaluate("""() => [...document.querySelectorAll("section > .box")]
      .map(box => [box.firstElementChild.offsetWidth, box.clientWidth])""")
    assert boxes
    assert all(inner <= outer for inner, outer in boxes)
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
