"""The contract that every baseline keeps, and what a new file may and may not change.

Every file found in ``baselines/`` is tested; nothing need be written here for a new one.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import typing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from benchmark.core.errors import UserError
from benchmark.core.settings import build
from benchmark.model import checkpoint, registry
from benchmark.model.annealing import Annealer
from benchmark.model.baseline import Baseline
from benchmark.run import contract
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import evaluate
from benchmark.sweep import study

ROOT = Path(__file__).parents[2]
NAMES = registry.names()
every = pytest.mark.parametrize("name", NAMES)

NEW = '''"""Square root annealing: fast at first.

Source: Nobody et al., A Made-Up Schedule, 2020, arXiv 2001.00001.
"""

from dataclasses import dataclass

from benchmark.model.baseline import Baseline


@dataclass(frozen=True)
class SquareRoot(Baseline):
    """``top`` is the last weight; a moving mean of the loss shows that memory is kept."""

    top: float = 1.0

    def weight(self, step, total):
        return self.top * (step / total) ** 0.5

    def objective(self, run, out):
        loss = super().objective(run, out)
        mean = run.memory.setdefault("mean", loss.detach())
        run.memory["mean"] = 0.9 * mean + 0.1 * loss.detach()
        return loss + 1e-3 * run.memory["mean"] * out.rec.mean()
'''


# The contract ------------------------------------------------------------------------------------


@every
def test_tells_its_source(name: str) -> None:
    module = sys.modules[registry.load(name).__module__]
    source = (module.__doc__ or "").partition("Source: ")[2]
    assert re.search(r"\b(19|20)\d\d\b", source), "title and year after 'Source: '"
    assert re.search(r"arXiv \d{4}\.\d{4,5}|doi|https?://|Proceedings|Journal", source)
    assert registry.describe(name) == (module.__doc__ or "").splitlines()[0]


@every
def test_is_a_frozen_dataclass_with_defaults(name: str) -> None:
    cls = registry.load(name)
    method = cls()
    assert isinstance(method, Baseline)
    assert cls.__mro__[1] is Baseline  # final, no parent but the seam
    assert type(cls.version) is int
    assert cls.version >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.version = 2  # type: ignore[misc]


@every
def test_weight_is_a_pure_function_of_the_step(name: str) -> None:
    rng = np.random.default_rng(0)
    for total in (1, 2, 7, 300, 10_000):
        steps = sorted({0, total // 2, total - 1, total, *rng.integers(0, total, 40).tolist()})
        method = registry.load(name)()
        forwards = {step: method.weight(step, total) for step in steps}
        shuffled = rng.permutation(steps).tolist()
        assert {step: method.weight(step, total) for step in shuffled} == forwards
        assert {step: registry.load(name)().weight(step, total) for step in steps} == forwards
        contract.Contract(tiny.config(name), torch.device("cpu")).check_weight(total)


@every
def test_each_hook_returns_what_a_run_checks(name: str) -> None:
    for params in [{}, *other_values(registry.load(name))]:
        for precision in ("fp32", "bf16"):
            config = tiny.config(name, params=params, precision=precision)
            contract.check(config, tiny.corpus(), torch.device("cpu"))


@every
def test_five_steps_change_every_parameter_and_keep_it_finite(name: str) -> None:
    run = tiny.training(tiny.config(name))
    before = {key: value.clone() for key, value in run.model.named_parameters()}
    tiny.until(run, 5)
    assert run.step == 5
    for key, value in run.model.named_parameters():
        assert torch.isfinite(value).all(), key
        assert not torch.equal(value, before[key]), key


def other_values(cls: type[Baseline]) -> list[dict[str, Any]]:
    """For each hyper-parameter a table with another value of it than the default."""
    tables = []
    hints = typing.get_type_hints(cls)
    for key, value in dataclasses.asdict(cls()).items():
        if isinstance(value, bool):
            options: list[Any] = [not value]
        elif isinstance(value, str):
            options = list(typing.get_args(hints[key]))
        else:
            options = [value / 2, value + 0.5] if isinstance(value, float) else [value + 1]
        for option in options:
            try:
                cls(**{key: option})
            except ValueError:
                continue
            if option != value:
                tables.append({key: option})
                break
    return tables


def toml(head: str, table: dict[str, Any]) -> str:
    return "\n".join([head, *(f"{key} = {json.dumps(table[key])}" for key in table)]) + "\n"


@every
def test_survives_a_study_file(name: str, tmp_path: Path) -> None:
    cls = registry.load(name)
    plain = tiny.config(name)
    for params in [{}, dataclasses.asdict(cls()), *other_values(cls)]:
        head = {"data": [tiny.SPEC], "seeds": [0], "preset": tiny.PRESET}
        tables = {
            "[study]": head,
            "[model]": tiny.MODEL,
            "[train]": tiny.TRAINING,
            "[evaluate]": tiny.EVALUATE,
            "[[baseline]]": {"name": name, **params},
        }
        (tmp_path / "one.toml").write_text("".join(toml(*table) for table in tables.items()))
        (found,) = study.load(tmp_path / "one.toml").configs
        assert found.config == tiny.config(name, params=params)
        assert found.config.method() == cls(**params)
        assert (found.id == plain.id) == (cls(**params) == cls())


@every
def test_resumes_to_the_bit(name: str, tmp_path: Path) -> None:
    whole = tiny.training(tiny.config(name))
    tiny.advance(whole)
    first = tiny.training(tiny.config(name))
    middle = whole.epochs.ends[0] + 3
    tiny.until(first, middle)
    checkpoint.save(tmp_path / "checkpoint.pt", first.state())
    second = tiny.training(tiny.config(name))
    second.load_state(checkpoint.load(tmp_path / "checkpoint.pt"))
    assert second.step == middle
    tiny.advance(second)
    assert second.step == whole.total_steps
    assert tiny.same(second.state(), whole.state())
    assert measured(second) == measured(whole)


def measured(run: Any) -> dict[str, Any]:
    run.model.eval()
    test = Measured("test", run.corpus.splits["test"], run.config.seed, run.device)
    prior = run.baseline.selection_weight > 0
    return evaluate(run.model, run.corpus, test, 10, 12, prior)[0]


def ids() -> dict[str, str]:
    return {name: tiny.config(name).id for name in registry.names()}


def test_ids_are_the_same_in_another_process() -> None:
    source = "import json, test_baselines; print(json.dumps(test_baselines.ids()))"
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONHASHSEED": "12345",
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "tests" / "tools"), str(Path(__file__).parent)]
            ),
        },
    )
    assert json.loads(done.stdout) == ids() == ids()
    assert len(set(ids().values())) == len(NAMES)


# The folder as the registry ----------------------------------------------------------------------


class Folder:
    """A copy of ``baselines/`` that a test may change."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(registry.FOLDER, path, ignore=shutil.ignore_patterns("__pycache__"))
        self.path = path
        monkeypatch.setattr(registry, "FOLDER", path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions within one second

    def write(self, name: str, source: str) -> None:
        (self.path / f"{name}.py").write_text(source)
        sys.modules.pop(f"baselines.{name}", None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(tmp_path / "baselines", monkeypatch)


def test_names_are_the_files_and_a_leading_underscore_hides_one(folder: Folder) -> None:
    folder.write("_draft", "this is no Python (")
    files = {path.stem for path in folder.path.glob("*.py")}
    assert registry.names() == sorted(files - {"__init__", "_draft"}) == NAMES


def test_a_new_file_keeps_the_contract_and_renames_nothing(folder: Folder, tmp_path: Path) -> None:
    before = ids()
    assert len(NEW.splitlines()) <= 30
    folder.write("square_root", NEW)
    assert registry.names() == sorted([*NAMES, "square_root"])
    after = ids()
    assert after.pop("square_root").split("-")[1] == "square_root"
    assert after == before
    for check in (
        test_tells_its_source,
        test_is_a_frozen_dataclass_with_defaults,
        test_weight_is_a_pure_function_of_the_step,
        test_each_hook_returns_what_a_run_checks,
        test_five_steps_change_every_parameter_and_keep_it_finite,
    ):
        check("square_root")
    test_survives_a_study_file("square_root", tmp_path)
    test_resumes_to_the_bit("square_root", tmp_path)


def test_a_new_field_with_a_default_renames_nothing(folder: Folder) -> None:
    folder.write("square_root", NEW)
    before = ids(), tiny.config("square_root", params={"top": 0.5}).id
    field = "    top: float = 1.0\n"
    folder.write("square_root", NEW.replace(field, field + "    bottom: float = 0.25\n"))
    assert dataclasses.asdict(registry.load("square_root")())["bottom"] == 0.25
    assert (ids(), tiny.config("square_root", params={"top": 0.5}).id) == before
    assert tiny.config("square_root", params={"bottom": 0.5}).id not in before[0].values()


@pytest.mark.parametrize("section", ["model", "train", "evaluate"])
def test_a_new_setting_with_a_default_renames_nothing(section: str) -> None:
    plain = tiny.config("cyclical")
    old = getattr(plain, section)
    wider = dataclasses.make_dataclass(
        "Wider", [("norm", float, 1.0)], bases=(type(old),), frozen=True
    )
    same = dataclasses.replace(plain, **{section: wider(**dataclasses.asdict(old))})
    other = dataclasses.replace(plain, **{section: wider(**dataclasses.asdict(old), norm=2.0)})
    assert (same.id, same.evaluation_digest) == (plain.id, plain.evaluation_digest)
    assert (other.id != plain.id) == (section != "evaluate")
    assert (other.evaluation_digest != plain.evaluation_digest) == (section == "evaluate")


def test_a_raised_version_renames_its_own_runs_only(folder: Folder) -> None:
    folder.write("square_root", NEW)
    before = ids()
    raised = NEW.replace("    top:", "    version: ClassVar[int] = 2\n    top:")
    folder.write(
        "square_root", raised.replace("\n\nfrom d", "\n\nfrom typing import ClassVar\nfrom d")
    )
    after = ids()
    assert registry.load("square_root").version == 2
    assert {name for name in after if after[name] != before[name]} == {"square_root"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = (\n", "baselines/broken.py:2: syntax error: '(' was never closed"),
        ("import nothing_of_the_kind\n", "cannot be imported: ModuleNotFoundError"),
        (NEW.replace("@dataclass(frozen=True)", "@dataclass"), "non-frozen dataclass"),
        (NEW.replace("@dataclass(frozen=True)\n", ""), "SquareRoot lacks @dataclass(frozen=True)"),
        (NEW.partition("@dataclass(")[0], "defines 0 Baseline classes"),
        (NEW + "\n\n@dataclass(frozen=True)\nclass B(Baseline):\n    pass\n", "defines 2 Baseline"),
        (NEW.replace("top: float = 1.0", "top: float"), "top has no default"),
    ],
    ids=["syntax", "import", "thawed", "plain_class", "none", "two", "no_default"],
)
def test_a_broken_file_is_one_clear_line_and_harms_no_other(
    folder: Folder, source: str, message: str
) -> None:
    before = ids()
    folder.write("broken", source)
    assert registry.names() == sorted([*NAMES, "broken"])
    with pytest.raises(UserError) as caught:
        tiny.config("broken")
    said = str(caught.value)
    assert said.startswith("baselines/broken.py:")
    assert message in said
    assert "\n" not in said
    assert {name: tiny.config(name).id for name in NAMES} == before


@pytest.mark.parametrize("content", [b"y = (\n", b"'''\xff'''\n", b"x = '\0'\n"])
def test_a_broken_file_is_described_as_such(folder: Folder, content: bytes) -> None:
    (folder.path / "broken.py").write_bytes(content)
    assert "error" in registry.describe("broken")
    with pytest.raises(UserError, match=r"^baselines/broken\.py"):
        registry.load("broken")


def test_an_outside_name_must_be_fit_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="letters, digits and underscores"):
        registry.load("../mine", tmp_path / "mine.py")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="baseline 'cyclicl': unknown; did you mean 'cyclical'"):
        registry.load("cyclicl")


def test_a_file_outside_the_folder_has_its_content_in_the_id(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(NEW)
    run = tiny.config("mine", file=str(path))
    assert run.method().weight(1, 4) == 0.5
    first = run.id
    assert first.split("-")[1] == "mine"
    path.write_text(NEW + "# another byte\n")
    assert tiny.config("mine", file=str(path)).id != first
    assert "mine" not in registry.names()
    with pytest.raises(UserError, match="no such baseline file"):
        tiny.config("mine", file=str(tmp_path / "absent.py"))


# The schedules -----------------------------------------------------------------------------------

STEPS = [(step, total) for total in (1, 3, 10, 96, 1000) for step in range(total + 1)]


def method(name: str, **params: Any) -> Baseline:
    return build(registry.load(name), params, "test")


@pytest.mark.parametrize("warmup", [0.1, 0.25, 1.0])
def test_monotonic_rises_once(warmup: float) -> None:
    found = [method("monotonic", warmup=warmup).weight(*at) for at in STEPS]
    known = [np.interp(step, [0, warmup * total], [0, 1]) for step, total in STEPS]
    np.testing.assert_allclose(found, known, atol=1e-12)
    assert method("monotonic") == method("monotonic", warmup=0.25)
    assert method("monotonic", warmup=0).weight(0, 10) == 1


@pytest.mark.parametrize(("delay", "ramp"), [(0.08, 0.04), (0.25, 0.125), (0.5, 0.5)])
def test_delayed_linear_waits_then_rises(delay: float, ramp: float) -> None:
    found = [method("delayed_linear", delay=delay, ramp=ramp).weight(*at) for at in STEPS]
    known = [np.interp(s, [delay * n, (delay + ramp) * n], [0, 1]) for s, n in STEPS]
    np.testing.assert_allclose(found, known, atol=1e-12)
    assert method("delayed_linear") == method("delayed_linear", delay=0.08, ramp=0.04)
    switch = method("delayed_linear", delay=0.5, ramp=0)
    assert [switch.weight(step, 4) for step in range(5)] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(("cycles", "ratio"), [(4, 0.5), (4, 0.45), (1, 1.0), (7, 0.25)])
def test_cyclical_rises_in_each_cycle(cycles: int, ratio: float) -> None:
    shape = method("cyclical", cycles=cycles, ratio=ratio)
    for step, total in STEPS:
        phase = Fraction(step * cycles % total, total)  # exact
        known = min(1.0, float(phase) / ratio)
        if step == total:
            known = 1.0  # no cycle begins at the end
        assert shape.weight(step, total) == pytest.approx(known, abs=1e-12)
    assert method("cyclical") == method("cyclical", cycles=4, ratio=0.5, floor=0.0, span=1.0)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cycles_within_a_span_are_those_of_a_shorter_training(floor: float) -> None:
    whole = method("cyclical", cycles=4, ratio=0.5, floor=floor)
    half = method("cyclical", cycles=4, ratio=0.5, floor=floor, span=0.5)
    found = [half.weight(step, 160) for step in range(161)]
    assert found[:80] == [whole.weight(step, 80) for step in range(80)]
    assert found[80:] == [1.0] * 81
    assert found.count(floor) == 4  # each cycle begins there
    # The last rise is the one of `late_rise`, which begins and ends with it.
    late = method("delayed_linear", delay=0.375, ramp=0.0625, floor=floor)
    last = [late.weight(step, 160) for step in range(60, 161)]
    assert last == pytest.approx(found[60:], abs=1e-12)
    assert [late.weight(step, 160) for step in range(60)] == [floor] * 60


@pytest.mark.parametrize("name", ["batch_norm_mean", "max_pooling"])
def test_a_warmup_before_a_changed_posterior_rises_once(name: str) -> None:
    found = [method(name, warmup=0.25).weight(step, 80) for step in range(81)]
    np.testing.assert_allclose(found, np.minimum(1, np.arange(81) / 20), atol=1e-12)
    assert [method(name).weight(step, 80) for step in range(81)] == [1.0] * 81


@pytest.mark.parametrize(("cycles", "ratio", "total"), [(4, 0.5, 96), (8, 0.3, 1000), (3, 1.0, 9)])
def test_cyclical_is_the_annealer_with_cycles(cycles: int, ratio: float, total: int) -> None:
    annealer = Annealer(total // cycles, ratio=ratio, cyclical=True)
    shape = method("cyclical", cycles=cycles, ratio=ratio)
    for step in range(total):
        assert shape.weight(step, total) == pytest.approx(annealer.weight, abs=1e-12)
        annealer.step()


def test_the_ends_of_the_range() -> None:
    assert [method("none").weight(step, 10) for step in range(11)] == [1.0] * 11
    assert [method("autoencoder").weight(step, 10) for step in range(11)] == [0.0] * 11
    assert (method("autoencoder").selection_weight, method("none").selection_weight) == (0, 1)
    assert not type(method("lstm_lm")).latent
    for name, params in (("cyclical", {"ratio": 0.0}), ("monotonic", {"warmup": 1.5}),
                         ("delayed_linear", {"delay": 0.9, "ramp": 0.2}),
                         ("delayed_linear", {"floor": 1.5}), ("cyclical", {"span": 0.0}),
                         ("cyclical", {"span": 1.5}), ("max_pooling", {"warmup": -0.1}),
                         ("batch_norm_mean", {"warmup": 1.1})):  # fmt: skip
        with pytest.raises(UserError, match=r"test: .* must"):
            method(name, **params)
