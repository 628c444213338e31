"""The pictures: all there, the same file every time, the right curve in each panel."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmark.core.errors import UserError
from benchmark.report.figures import schedules
from benchmark.sweep import study

QUICKSTART = Path(__file__).parents[2] / "paper" / "quickstart.toml"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    kept: list[Figure] = []
    draw = schedules.draw
    monkeypatch.setattr(schedules, "draw", lambda frame: kept.append(draw(frame)) or kept[-1])
    return kept


def test_the_shapes_once_and_in_cycles_twice_the_same(tmp_path: Path, drawn: list[Figure]) -> None:
    first, second = schedules.plot_shapes(tmp_path / "a"), schedules.plot_shapes(tmp_path / "b")
    assert [path.name for path in first] == ["shapes.png", "shapes.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.read_bytes()[:4] == (b"\x89PNG" if one.suffix == ".png" else b"%PDF")
    lines = {p.get_title(loc="left"): p.lines[0].get_xydata().T for p in drawn[0].axes}
    names = ["linear", "cosine", "logistic", "sigmoid"]
    assert list(lines) == [*names, *(f"{name}, cyclical" for name in names)]
    x, y = lines["linear"]
    np.testing.assert_allclose(y, x)
    x, y = lines["cosine, cyclical"]  # periods of a quarter, 25 steps
    np.testing.assert_allclose(y, (1 - np.cos(np.pi * (x * 4 % 1))) / 2, atol=1e-12)


def test_a_study_has_one_panel_a_row(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = study.load(QUICKSTART)
    paths = schedules.plot_study(rows, tmp_path)
    assert [path.name for path in paths] == [f"schedules_quickstart.{k}" for k in ("png", "pdf")]
    panels = [axes for axes in drawn[0].axes if axes.get_visible()]
    assert [panel.get_title(loc="left") for panel in panels] == rows.labels
    lines = {p.get_title(loc="left"): p.lines[0].get_xydata() for p in panels if p.lines}
    assert set(rows.labels) - set(lines) == {"lstm_lm"}
    x, y = lines["cyclical"].T
    np.testing.assert_allclose(y, np.minimum(1, (x * 4 % 1) / 0.5), atol=1e-9)  # at its corners
    assert len(x) < 20
    at = np.array([0.06, 0.2, 0.3, 0.6, 0.9])  # and between them
    np.testing.assert_allclose(np.interp(at, x, y), np.minimum(1, (at * 4 % 1) / 0.5), atol=1e-3)
    assert (lines["none"][:, 1] == 1).all()
    assert (lines["autoencoder"][:, 1] == 0).all()
    assert "fraction" in drawn[0].get_supxlabel()
    assert "KL weight" in drawn[0].get_supylabel()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"file.*: cannot be written"):
        schedules.plot_shapes(tmp_path / "file")
