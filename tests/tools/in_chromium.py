"""Pages of studies in real Chromium: a plugin of the tests that the marker ``browser`` has.

Chromium is $PCBENCH_CHROMIUM or `chromium` on the path; Playwright drives it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import test_page

from benchmark.report.formats import Cell, Row, Table
from benchmark.report.page import page as html

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
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
