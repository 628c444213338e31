"""The page of a study in real Chromium, as its reader uses it. The marker is ``browser``."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page, Route

pytest_plugins = ["in_chromium"]
pytestmark = pytest.mark.browser


def order(page: "Page") -> list[str]:
    """The labels of the first table's rows, from top to bottom as they are drawn."""
    labels = page.locator("table.sorted").first.locator("> tbody > tr > th .label").all()
    drawn = [(label.bounding_box() or {})["y"] for label in labels]
    assert drawn == sorted(drawn)
    return [label.inner_text().strip() for label in labels]


def head(page: "Page", title: str) -> "Locator":
    return page.locator("table.sorted").first.get_by_role("columnheader", name=title, exact=True)


def click(column: "Locator") -> None:
    """Sort by a column."""
    column.locator(".sort").click()


def opened(page: "Page", label: str, table: str = "table.sorted") -> "Locator":
    """A row's group in the first such table, the panel of its runs opened or closed."""
    row = page.locator(f"{table} tbody[data-label={label}]").first
    row.locator("> tr > th summary").click()
    return row


def test_a_click_on_a_head_sorts_by_value_and_again_the_other_way(visit: Any) -> None:
    page = visit("small")
    elbo, hours = head(page, "ELBO"), head(page, "hours")
    assert order(page) == ["b", "missing", "a", "c"]
    click(elbo)
    assert order(page) == ["a", "b", "c", "missing"]  # -10 before -9; equals as they were
    assert elbo.get_attribute("aria-sort") == "ascending"
    click(elbo)
    assert order(page) == ["b", "c", "a", "missing"]  # what has no number stays last
    assert elbo.get_attribute("aria-sort") == "descending"
    click(hours)
    assert order(page) == ["a", "b", "missing", "c"]  # 2 before 10: numbers, not texts
    assert (elbo.get_attribute("aria-sort"), hours.get_attribute("aria-sort")) == (
        "none", "ascending",
    )  # fmt: skip
    for _ in range(2):
        click(hours)
    assert order(page) == ["b", "missing", "a", "c"]  # as the study has them
    click(head(page, "baseline"))
    assert order(page) == ["a", "b", "c", "missing"]


def test_every_column_of_a_study_sorts_as_its_figures(visit: Any) -> None:
    """Against Python's sort of the printed means."""
    page = visit("confound_exact")
    table = page.locator("table.sorted").first
    columns = table.locator("> thead th").count()
    assert columns > 10
    page.get_by_label(f"all {columns - 1} columns").first.check()
    for column in range(1, columns):
        table.locator("> thead .sort").nth(column).click()
        shown = table.locator(
            f"> tbody > tr:first-child > :nth-child({column + 1})"
        ).all_inner_texts()
        numbers = [number(text) for text in shown]
        known = [one for one in numbers if one is not None]
        assert known == sorted(known)
        assert numbers[len(known) :] == [None] * (len(numbers) - len(known))


def number(text: str) -> float | None:
    """The first number of a cell: of "≥ 1.50 ± 0.02", 1.5; of a count of updates, the first.

    Of chips it is the number of those alive: "2 collapsed" counts none.
    """
    if re.fullmatch(r"(\d (alive|undecided|collapsed)\s*)+", text):
        return float(text.partition(" alive")[0]) if " alive" in text else 0.0
    found = re.search(r"−?[\d,]+(\.\d+)?", text) if not text.startswith("–") else None
    return float(found[0].replace("−", "-").replace(",", "")) if found else None


def test_sorting_and_opening_work_by_keyboard(visit: Any) -> None:
    page = visit("quickstart")
    mi = head(page, "MI")
    mi.locator(".sort").focus()
    page.keyboard.press("Enter")
    assert mi.get_attribute("aria-sort") == "ascending"
    assert page.locator("#said").inner_text() == "Sorted by MI, ascending"
    page.keyboard.press("Space")
    assert mi.get_attribute("aria-sort") == "descending"
    page.locator("table.sorted th summary").first.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".panel").first
    assert panel.is_visible()
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.className")
    assert focused == "copy"  # the next stop is the first command


def test_a_rows_name_opens_its_runs_and_sorting_keeps_them_together(visit: Any) -> None:
    page = visit("quickstart")
    table = page.locator("table.sorted").first
    assert table.locator(".panel:visible").count() == 0
    row = opened(page, "cyclical")
    panel = row.locator(".panel")
    assert panel.is_visible()
    assert panel.locator("h3").inner_text() == "cyclical: 5 runs"
    assert table.locator(".panel:visible").count() == 1
    click(head(page, "KL"))
    boxes = [found.bounding_box() for found in (row.locator("> tr > th").first, panel)]
    assert boxes[1]["y"] == pytest.approx(boxes[0]["y"] + boxes[0]["height"], abs=2)
    panel.get_by_text(re.compile(r"^All \d+ settings$")).click()
    assert panel.get_by_text("train.lr = 0.004", exact=True).is_visible()
    opened(page, "cyclical")  # which closes it
    assert not panel.is_visible()


@pytest.mark.parametrize("refused", [False, True])
def test_the_command_is_copied_also_where_the_clipboard_is_refused(
    visit: Any, refused: bool
) -> None:
    page = visit("quickstart")
    if refused:
        page.evaluate(
            "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"
        )
    command = opened(page, "none").locator(".commands li").first
    command.get_by_role("button").click()
    command.get_by_role("button", name="Copied").wait_for()
    page.evaluate("document.body.prepend(document.createElement('textarea'))")
    page.locator("textarea").focus()
    page.keyboard.press("Control+V")
    pasted = page.locator("textarea").input_value()
    assert pasted == "pcbench reproduce exact_small-none-0-591ae3e1"
    assert pasted == command.locator("code").inner_text()


def test_a_link_to_a_run_opens_where_it_is_told_of(visit: Any) -> None:
    page = visit("quickstart")
    link = opened(page, "cyclical", "section.paired").locator(".panel a").first
    for _ in range(2):  # the second time the address stays as it is
        link.click()
        told = page.locator(f"[id='{link.get_attribute('href')[1:]}']")
        told.wait_for(state="visible")
        assert told.inner_text() == "seed 0"
        assert 0 <= told.bounding_box()["y"] < 900
        opened(page, "cyclical")  # which closes it


def test_without_scripts_rows_still_open(chromium: "BrowserContext", files: dict[str, str]) -> None:
    assert chromium.browser is not None
    context = chromium.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["quickstart"])
    page.locator("table.sorted th summary").first.click()
    assert page.locator(".panel").first.is_visible()
    context.close()


def test_the_policy_lets_nothing_out(chromium: "BrowserContext", files: dict[str, str]) -> None:
    """Whatever might be smuggled into the page, even its own server is not asked for it."""
    asked: list[str] = []
    content = Path(files["quickstart"].removeprefix("file://")).read_bytes()

    def serve(route: "Route") -> None:
        asked.append(route.request.url)
        route.fulfill(body=content, content_type="text/html")

    page = chromium.new_page()
    page.route("**/*", serve)
    page.goto("http://server.test/page")
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
    page.close()
    assert asked == ["http://server.test/page"]


def test_six_columns_until_all_are_asked_for(visit: Any) -> None:
    """By keyboard, in the first table alone, and without a change of the sorting."""
    page = visit("quickstart")
    tables = page.locator("table.sorted")
    shown = [tables.nth(i).locator("> thead th:visible").count() for i in range(2)]
    assert shown == [7, 7]
    click(head(page, "MI"))
    page.locator(".columns input").first.focus()
    page.keyboard.press("Space")
    assert tables.nth(0).locator("> thead th:visible").count() > 15
    assert tables.nth(1).locator("> thead th:visible").count() == 7
    assert head(page, "BLEU").is_visible()
    assert head(page, "MI").get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert tables.nth(0).locator("> thead th:visible").count() == 7


@pytest.mark.parametrize("width", [400, 1440])
@pytest.mark.parametrize("how", ["keyboard", "touch"])
def test_a_definition_opens_beside_its_column_and_closes(
    chromium: "BrowserContext", files: dict[str, str], how: str, width: int
) -> None:
    assert chromium.browser is not None
    context = chromium.browser.new_context(has_touch=True, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(files["quickstart"])
    column = head(page, "KL")
    what = column.get_by_role("button", name="What is KL?")
    what.scroll_into_view_if_needed()
    if how == "touch":
        what.tap()
    else:
        what.focus()
        page.keyboard.press("Enter")
    tip = page.locator(".tip:popover-open")
    assert "what the code of a sentence costs" in tip.inner_text()
    box, near = tip.bounding_box(), what.bounding_box()
    assert box is not None
    assert near is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert 0 <= box["y"] - near["y"] - near["height"] < 10
    assert column.get_attribute("aria-sort") == "none"  # it was not sorted
    page.keyboard.press("Escape")
    assert page.locator(".tip:popover-open").count() == 0
    context.close()


def test_definitions_and_columns_need_no_script(
    chromium: "BrowserContext", files: dict[str, str]
) -> None:
    assert chromium.browser is not None
    context = chromium.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["quickstart"])
    page.locator(".columns input").first.check()
    assert page.locator("table.sorted").first.locator("> thead th:visible").count() > 15
    page.locator(".what").first.click()
    assert page.locator(".tip:popover-open").count() == 1
    context.close()


def test_figures_are_drawn_from_the_file_itself(visit: Any) -> None:
    page = visit("quickstart")
    for image in page.locator("figure img").all():
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")
        assert image.evaluate("image => image.naturalWidth") > 0
