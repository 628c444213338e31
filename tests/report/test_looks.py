"""Looks: one for a method in all figures of all studies, told apart by everyone, in print too."""

import itertools
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.core.records import read_jsonl
from benchmark.model import registry
from benchmark.report import figures
from benchmark.report.figures import learning, looks, rate_distortion, schedules, spectrum, style
from benchmark.report.grouping import groups
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "paper").glob("*.toml"))
# Machado et al., A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009:
# what is left of linear red, green and blue, without one kind of cone.
SIGHT = {
    "usual": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Perceptual coordinates of linear RGB: Ottosson, A perceptual color space, 2020."""
    cones = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    ) @ np.clip(rgb, 0, 1)  # fmt: skip
    return np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    ) @ np.cbrt(cones)  # fmt: skip


def seen(name: str) -> list[looks.Look]:
    """The looks of a study's rows."""
    loaded = study.load(ROOT / "paper" / f"{name}.toml")
    methods = {run.label: run.config.baseline for run in loaded.configs}
    return [looks.look(label, methods[label]) for label in loaded.labels]


@pytest.mark.parametrize("name", STUDIES)
def test_no_two_rows_of_a_study_look_alike(name: str) -> None:
    found = [
        (one.colour, str(one.line), one.marker, (one.fill, one.size) if one.marker else None)
        for one in seen(name)
    ]
    assert len(set(found)) == len(found)


def test_a_method_looks_the_same_in_every_study_and_figure() -> None:
    drawn: dict[str, set[object]] = {}
    for name in ("quickstart", "confound_languages", "matched_rate"):
        (group, *_) = groups(read_jsonl(ROOT / "results" / f"{name}.jsonl"))
        for module in (learning, spectrum, rate_distortion, schedules):
            for row in style.rows_of(module.rows(group)):
                drawn.setdefault(row.label, set()).add(row.look)
    assert all(len(found) == 1 for found in drawn.values())
    assert drawn["cyclical"] == {looks.look("cyclical")}
    assert len({tuple(found) for found in drawn.values()}) == len(drawn)


def test_every_baseline_has_a_look_of_its_own_in_its_family() -> None:
    known = [looks.look(name) for name in registry.names()]
    assert len({(one.colour, one.marker) for one in known}) == len(known)
    families = {name: looks.family(name) for name in registry.names()}
    assert "other methods" not in families.values()
    assert families["cyclical"] == families["monotonic"] == "schedules"
    assert families["free_bits"] != families["minimum_rate"] != families["delta"]


def test_a_method_of_ones_own_has_a_look_that_follows_from_its_name() -> None:
    before = {name: looks.look(name) for name in registry.names()}
    own = looks.look("quadratic")
    assert own == looks.look("quadratic") == looks.look("quadratic", "quadratic")
    assert looks.family("quadratic") == "other methods"
    assert (
        own.marker == "s^DvPXp<>h*"[zlib.crc32(b"quadratic") % 11]
    )  # of no run of the interpreter
    assert own not in before.values()
    assert {name: looks.look(name) for name in registry.names()} == before
    others = [looks.look(name) for name in ("cubic", "mine", "lagging", "sphere", "vmf")]
    assert len({own, *others}) == 6


def test_rows_that_sweep_a_number_share_marker_and_hue_and_grow_with_it() -> None:
    rows = [looks.look(f"free_bits_{rate:g}", "free_bits") for rate in (0.5, 1, 2, 4)]
    assert {(row.marker, str(row.line)) for row in rows} == {
        (looks.look("free_bits").marker, str(looks.look("free_bits").line))
    }
    sizes = [row.size for row in rows]
    light = [float(oklab(linear(row.colour))[0]) for row in rows]
    assert sizes == sorted(sizes)
    assert light == sorted(light, reverse=True)
    assert len({row.colour for row in rows}) == len(set(sizes)) == 4
    hues = [oklab(linear(row.colour))[1:] for row in rows]
    assert np.ptp([np.arctan2(b, a) for a, b in hues]) < 0.35


def test_words_behind_a_label_change_the_marker_s_filling() -> None:
    plain, restarted = (looks.look(f"cyclical, {word}", "cyclical") for word in
                        ("constant", "restarted"))  # fmt: skip
    assert plain == looks.look("cyclical")
    assert (restarted.marker, restarted.line) == (plain.marker, plain.line)
    assert (restarted.fill, plain.fill) == ("none", "full")
    assert looks.look("cyclical, mine", "cyclical").fill != "full"


def test_a_label_that_is_another_method_s_name_takes_nothing_from_it() -> None:
    assert looks.family("cyclical", "free_bits") == "free bits"
    assert looks.family("delayed_linear_late", "mine") == "other methods"
    assert looks.family("late_rise, restarted", "delayed_linear") == "schedules"


def test_families_are_told_apart_without_one_kind_of_cone() -> None:
    for sight, kept in SIGHT.items():
        places = {name: oklab(kept @ linear(hue)) for name, hue in looks.FAMILIES.items()}
        for one, other in itertools.combinations(places, 2):
            distance = float(np.linalg.norm(places[one] - places[other]))
            assert distance > 0.05, (sight, one, other)


def test_every_look_is_seen_on_white() -> None:
    labels = {*registry.names(), *(f"delta_{2.0**n:g}" for n in range(-3, 4)), "mine", "cubic"}
    for label in labels:
        found = looks.look(label, "delta" if "delta" in label else "")
        luminance = float(np.array([0.2126, 0.7152, 0.0722]) @ linear(found.colour))
        assert 1.05 / (luminance + 0.05) > 1.9, label


def test_text_has_8_points_at_the_width_at_which_the_paper_prints_a_figure() -> None:
    sources = [ROOT / "paper" / "paper.tex", *(ROOT / "paper").glob("sections/*.tex")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    margin = re.search(r"margin=(\d+)mm", text)
    assert margin is not None
    line = (210 - 2 * int(margin[1])) / 25.4
    names = re.findall(r"\\pcbfigure\{([\w-]+)\}", text)
    assert names
    for name in names:
        figure = drawn(name)
        sizes = {one.get_fontsize() for one in figure.findobj(Text) if one.get_text()}
        assert min(sizes) >= 8, name
        assert figure.get_figwidth() <= line, name


def drawn(name: str) -> Figure:
    """The figure of this name of the committed records."""
    lines = read_jsonl(ROOT / "results" / f"{name.partition('-')[0]}.jsonl")
    found = figures.pictures(name.partition("-")[0], groups(lines))
    picture = next(one for one in found if one.name == name)
    with style.settings():
        figure = picture.figure.draw(picture.frame)
    assert isinstance(figure, Figure)
    return figure
