"""The page's first screen: verdict, states, six columns with their meaning, figures that scale."""

import re
from xml.etree import ElementTree

import pytest
import test_page

from benchmark.report.figures import style


@pytest.fixture(scope="module")
def quickstart() -> str:
    return test_page.whole("quickstart")


def test_the_verdict_comes_first_and_states_are_chips(quickstart: str) -> None:
    found = test_page.Elements(quickstart)
    heads = [tag for tag, _ in found.found if tag in ("h1", "h2", "table")]
    assert heads[:4] == ["h1", "h2", "h2", "table"]
    verdict_at = quickstart.index("<code>none</code> collapsed in 5 of 5 seeds.")
    assert quickstart.index("<h1>") < verdict_at < quickstart.index("<table")
    row = quickstart[quickstart.index('data-label="none"') :].partition("</tr>")[0]
    chips = re.findall(r'<span class="chip (\w+)">([^<]+)<', row)
    assert chips == [("collapsed", "5 collapsed")]


def test_six_columns_are_shown_and_each_title_is_defined(quickstart: str) -> None:
    head = quickstart[quickstart.index("<thead>") :].partition("</thead>")[0]
    titles = re.findall(r'aria-label="([^"]+)"(?: class="(more)")?><div', head)
    assert [title for title, more in titles if not more] == [
        "baseline", "alive / undecided / collapsed", "ELBO", "KL", "MI", "IW-NLL", "z_use",
    ]  # fmt: skip
    assert len(titles) > 15
    found = test_page.Elements(quickstart)
    asked = [one for tag, one in found.found if tag == "button" and "popovertarget" in one]
    tips = {one["id"]: one for tag, one in found.found if "popover" in one}
    assert {one["popovertarget"] for one in asked} == set(tips)
    told = {title for title, _ in titles} - {"baseline"}
    assert {f"What is {title}?" for title in told} <= {one["aria-label"] for one in asked}


def test_an_svg_is_the_same_every_time_and_keeps_its_scales() -> None:
    """Its coordinates are rounded to hundredths; what scales a letter is not."""
    images = []
    for _ in range(2):
        with style.settings():
            figure, panels = style.grid(1, 1, 3.0, 2.0)
            panels[0][0].plot([0, 1, 2], [0.1234567, 3.7654321, 1.9], label="a <b> & c")
            panels[0][0].legend(fontsize=6.5)
            images.append(style.image(figure, "svg"))
    assert images[0] == images[1]
    assert b"<metadata" not in images[0]
    drawn = ElementTree.fromstring(images[0])
    assert drawn.attrib["viewBox"] == "0 0 216 144"
    text = images[0].decode()
    scales = {float(one) for one in re.findall(r"scale\(([\d.]+) ", text)}
    assert 0.08 in scales  # letters of 8 points
    digits = re.findall(r"\.(\d+)", " ".join(re.findall(r' d="([^"]*)"', text)))
    assert max(map(len, digits)) == 2
