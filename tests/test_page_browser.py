"""The page of a study in real Chromium, as its reader uses it. The marker is ``browser``.

Chromium is $PCBENCH_CHROMIUM or `chromium` on the path; Playwright drives it.
"""

import itertools
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import test_page

from benchmark.report.page import page as html
from benchmark.report.table import Cell, Row, Table

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LABELS = "table.sorted > tbody > tr > th"
MISSING = Row("missing", (Cell("–"), Cell("–")), ids=())
SMALL = Table(
    "small", "small", (), ("ELBO", "hours"),
    (Row("b", (Cell("−9.00", -9.0), Cell("10", 10.0))), MISSING,
     Row("a", (Cell("−10.00", -10.0), Cell("2", 2.0))),
     Row("c", (Cell("−9.00", -9.0), Cell("–")))),
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["BrowserContext"]:
    playwright = pytest.importorskip("playwright.sync_api")
    program = os.environ.get("PCBENCH_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium; apt-get install chromium, or name one by PCBENCH_CHROMIUM")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=program, args=ARGUMENTS
        )
        yield context
        context.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of pages."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {name: test_page.whole(name) for name in ("quickstart", "confound_exact")}
    texts["small"] = html("small", [SMALL], [], {}, [])
    texts["hostile"] = test_page.everywhere("<img src=http://127.0.0.1/x onerror=alert(1)>")
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture
def visit(chromium: "BrowserContext", files: dict[str, str]) -> Iterator[Callable[..., "Page"]]:
    """Opens a page; at the end none may have complained or asked for anything but itself."""
    opened: list[Page] = []
    said: list[str] = []
    asked: list[str] = []

    def open_page(name: str, width: int = 1440, height: int = 900) -> "Page":
        page = chromium.new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(files[name])
        return page

    yield open_page
    for page in opened:
        page.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} <= set(files.values())


def order(page: "Page") -> list[str]:
    """The labels of the first table's rows, from top to bottom as they are drawn."""
    labels = page.locator("table.sorted").first.locator("> tbody > tr > th .label").all()
    drawn = [(label.bounding_box() or {})["y"] for label in labels]
    assert drawn == sorted(drawn)
    return [label.inner_text().strip() for label in labels]


def head(page: "Page", title: str) -> "Locator":
    return page.locator("table.sorted").first.get_by_role("columnheader", name=title, exact=True)


def test_a_click_on_a_head_sorts_by_value_and_again_the_other_way(visit: Any) -> None:
    page = visit("small")
    elbo, hours = head(page, "ELBO"), head(page, "hours")
    assert order(page) == ["b", "missing", "a", "c"]
    elbo.get_by_role("button").click()
    assert order(page) == ["a", "b", "c", "missing"]  # -10 before -9; equals as they were
    assert elbo.get_attribute("aria-sort") == "ascending"
    elbo.get_by_role("button").click()
    assert order(page) == ["b", "c", "a", "missing"]  # what has no figure stays last
    assert elbo.get_attribute("aria-sort") == "descending"
    hours.get_by_role("button").click()
    assert order(page) == ["a", "b", "missing", "c"]  # 2 before 10: numbers, not texts
    assert (elbo.get_attribute("aria-sort"), hours.get_attribute("aria-sort")) == (
        "none", "ascending",
    )  # fmt: skip
    for _ in range(2):
        hours.get_by_role("button").click()
    assert order(page) == ["b", "missing", "a", "c"]  # as the study has them
    head(page, "baseline").get_by_role("button").click()
    assert order(page) == ["a", "b", "c", "missing"]


def test_every_column_of_a_study_sorts_as_its_figures(visit: Any) -> None:
    """Against Python's sort of the printed means."""
    page = visit("confound_exact")
    table = page.locator("table.sorted").first
    columns = table.locator("> thead th").count()
    assert columns > 10
    for column in range(1, columns):
        table.locator("> thead button").nth(column).click()
        shown = table.locator(
            f"> tbody > tr:first-child > :nth-child({column + 1})"
        ).all_inner_texts()
        figures = [number(text) for text in shown]
        known = [figure for figure in figures if figure is not None]
        assert known == sorted(known)
        assert figures[len(known) :] == [None] * (len(figures) - len(known))


def number(text: str) -> float | None:
    """The first number of a cell: of "≥ 1.50 ± 0.02", 1.5; of a count of updates, the first."""
    found = re.search(r"−?[\d,]+(\.\d+)?", text) if not text.startswith("–") else None
    return float(found[0].replace("−", "-").replace(",", "")) if found else None


def test_sorting_and_opening_work_by_keyboard(visit: Any) -> None:
    page = visit("quickstart")
    mi = head(page, "MI")
    mi.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert mi.get_attribute("aria-sort") == "ascending"
    assert page.locator("#said").inner_text() == "Sorted by MI, ascending"
    page.keyboard.press("Space")
    assert mi.get_attribute("aria-sort") == "descending"
    page.locator(f"{LABELS} summary").first.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".panel").first
    assert panel.is_visible()
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.className")
    assert focused == "copy"  # the next stop is the first command


def test_a_rows_name_opens_its_runs_and_sorting_keeps_them_together(visit: Any) -> None:
    page = visit("quickstart")
    table = page.locator("table.sorted").first
    row = table.locator("> tbody[data-label=cyclical]")
    assert not row.locator(".panel").is_visible()
    row.locator("> tr > th summary").click()
    panel = row.locator(".panel")
    assert panel.is_visible()
    assert panel.locator("h3").inner_text() == "cyclical: 5 runs"
    assert table.locator(".panel:visible").count() == 1
    head(page, "KL").get_by_role("button").click()
    boxes = [found.bounding_box() for found in (row.locator("> tr > th").first, panel)]
    assert boxes[1]["y"] == pytest.approx(boxes[0]["y"] + boxes[0]["height"], abs=2)
    settings = panel.get_by_text("All 23 settings")
    settings.click()
    assert panel.get_by_text("train.lr = 0.004", exact=True).is_visible()
    row.locator("> tr > th summary").click()
    assert not panel.is_visible()


def test_the_command_is_copied(visit: Any) -> None:
    page = visit("quickstart")
    row = page.locator("table.sorted tbody[data-label=none]").first
    row.locator("> tr > th summary").click()
    command = row.locator(".commands li").nth(1)
    command.get_by_role("button").click()
    command.get_by_role("button", name="Copied").wait_for()
    page.evaluate("document.body.prepend(document.createElement('textarea'))")
    page.locator("textarea").focus()
    page.keyboard.press("Control+V")
    pasted = page.locator("textarea").input_value()
    assert pasted == "pcbench reproduce exact_small-none-0-591ae3e1"
    assert pasted == command.locator("code").inner_text()


def test_the_command_is_copied_where_the_clipboard_is_refused(visit: Any) -> None:
    page = visit("quickstart")
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"
    )
    row = page.locator("table.sorted tbody[data-label=none]").first
    row.locator("> tr > th summary").click()
    row.locator(".copy").first.click()
    row.get_by_role("button", name="Copied").wait_for()
    page.evaluate("document.body.prepend(document.createElement('textarea'))")
    page.locator("textarea").focus()
    page.keyboard.press("Control+V")
    assert page.locator("textarea").input_value().startswith("pcbench run paper/quickstart.toml")


def test_a_link_to_a_run_opens_where_it_is_told_of(visit: Any) -> None:
    page = visit("quickstart")
    later = page.locator("section.paired tbody[data-label=cyclical]").first
    later.locator("> tr > th summary").click()
    link = later.locator(".panel a").first
    for _ in range(2):  # the second time the address stays as it is
        link.click()
        told = page.locator(f"[id='{link.get_attribute('href')[1:]}']")
        told.wait_for(state="visible")
        assert told.inner_text() == "seed 0"
        assert 0 <= told.bounding_box()["y"] < 900
        page.locator("table.sorted tbody[data-label=cyclical] > tr > th summary").first.click()


@pytest.mark.parametrize("width", [400, 1440])
@pytest.mark.parametrize("name", ["quickstart", "confound_exact", "hostile"])
def test_nothing_is_wider_than_the_window(visit: Any, name: str, width: int) -> None:
    page = visit(name, width)
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
      .flatMap(row => [...row.cells].filter((cell, i) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        const [text, box] = [range.getBoundingClientRect(), cell.getBoundingClientRect()];
        const next = i && row.cells[i + 1]?.getBoundingClientRect();
        return text.left < box.left - 1 || text.right > box.right + 1
          || (next && box.right > next.left + 1);
      })).map(cell => cell.textContent)""")
    assert faults == []
    tops = page.evaluate("""() => [...document.querySelectorAll("header, section, footer")]
      .map(e => e.getBoundingClientRect()).map(box => [box.top, box.bottom])""")
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(tops))


def test_head_and_first_column_stay_while_the_box_scrolls(visit: Any) -> None:
    page = visit("confound_exact", 600, 400)
    box = page.locator("section > .box").first
    box.scroll_into_view_if_needed()
    before = box.bounding_box()
    box.evaluate("box => box.scrollTo(500, 40)")
    assert box.evaluate("box => [box.scrollLeft, box.scrollTop]") == [500, 40]
    corner = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).textContent",
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
    page.locator(f"{LABELS} summary").first.click()
    pairs = page.evaluate("""() => {
      const ground = e => { const c = getComputedStyle(e).backgroundColor;
        return c === "rgba(0, 0, 0, 0)" && e.parentElement ? ground(e.parentElement) : c; };
      const kinds = "h1, p, dt, dd, th, td, a, code, .copy, figcaption, footer";
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


def test_without_scripts_rows_still_open(chromium: "BrowserContext", files: dict[str, str]) -> None:
    assert chromium.browser is not None
    context = chromium.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["quickstart"])
    page.locator(f"{LABELS} summary").first.click()
    assert page.locator(".panel").first.is_visible()
    context.close()


def test_the_policy_lets_nothing_out(chromium: "BrowserContext", files: dict[str, str]) -> None:
    """Whatever might be smuggled into the page, even its own server is not asked for it."""
    asked: list[str] = []
    content = Path(files["quickstart"].removeprefix("file://")).read_bytes()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = chromium.new_page()
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/page")
        page.evaluate(
            """async () => {
              const [image, script, inline] = ["img", "script", "script"]
                .map(name => document.createElement(name));
              image.src = "/image";
              script.src = "/script";
              inline.textContent = "document.title = 'run'";
              document.body.append(image, script, inline);
              document.body.insertAdjacentHTML("beforeend", "<p style='background: url(/style)'>");
              await fetch("/fetch").catch(() => 0);
            }"""
        )
        page.wait_for_timeout(300)
        assert page.title() == "quickstart · posterior collapse benchmark"
    finally:
        page.close()
        server.shutdown()
        server.server_close()
    assert asked == ["/page"]
