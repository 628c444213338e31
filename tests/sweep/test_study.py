"""Study files: what they mean, and how they are refused."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from benchmark.core.errors import UserError
from benchmark.model import registry
from benchmark.run.config import resolve
from benchmark.sweep import study

HEAD = '[study]\ndata = ["exact_small"]\nseeds = [0, 1]\npreset = "exact_small"\n'
ROW = '[[baseline]]\nname = "none"\n'
TWO = ROW + '[[baseline]]\nname = "monotonic"\nlabel = "other"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_all_rows_of_the_first_seed_come_first(tmp_path: Path) -> None:
    late = '[[baseline]]\nname = "delayed_linear"\nlabel = "late"\ndelay = 0.25\n'
    loaded = study.load(write(tmp_path, HEAD + "[train]\nepochs = 3\n" + ROW + late))
    assert loaded.name == "mine"
    assert loaded.labels == ["none", "late"]
    order = [(run.config.seed, run.label) for run in loaded.configs]
    assert order == [(0, "none"), (0, "late"), (1, "none"), (1, "late")]
    run = loaded.configs[1]
    assert run.config.train.epochs == 3
    assert run.config.model.latent == 8  # of the preset
    assert run.config.params == {"delay": 0.25, "ramp": 0.04, "floor": 0.0}
    assert run.id.startswith("exact_small-delayed_linear-0-")
    assert loaded.find(run.id) is run


def test_seeds_and_labels_rename_no_run(tmp_path: Path) -> None:
    every = {run.id for run in study.load(write(tmp_path, HEAD + ROW)).configs}
    path = write(tmp_path, HEAD + ROW + 'label = "another"\n')
    assert {run.id for run in study.load(path).configs} == every
    (one,) = study.load(path, seeds=[1]).configs
    assert one.config.seed == 1
    assert one.id in every


def test_a_baseline_of_ones_own_lies_beside_the_study(tmp_path: Path) -> None:
    source = (
        "from dataclasses import dataclass\n"
        "from benchmark.baseline import Baseline\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Baseline):\n"
        '    """Half."""\n'
        "    def weight(self, step: float, total: float) -> float:\n"
        "        return 0.5\n"
    )
    (tmp_path / "my_schedule.py").write_text(source)
    row = '[[baseline]]\nname = "half"\nfile = "my_schedule.py"\n'
    run = study.load(write(tmp_path, HEAD + row)).configs[0]
    assert run.config.method().weight(0, 1) == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + ROW + "cycels = 4\n", "baseline.none.cycels: unknown key"),
        (HEAD + '[[baseline]]\nname = "cyclical"\ncycels = 4\n', "did you mean 'cycles'?"),
        (HEAD + '[[baseline]]\nname = "cyclical"\ncycles = "4"\n', "'4' should be a valid integer"),
        (HEAD + '[[baseline]]\nname = "cyclical"\ncycles = 0\n', "must be at least 1"),
        (HEAD + '[[baseline]]\nname = "cyclic"\n', "did you mean 'cyclical'?"),
        (HEAD + '[[baseline]]\nlabel = "x"\n', "baseline 1.name: missing"),
        (HEAD + ROW + "label = 3\n", "baseline 1.label: 3 should be a valid string"),
        (
            HEAD + ROW + 'label = "a<b>c"\n',
            "baseline 1.label: 'a<b>c' is empty or holds markup; a label must be plain text",
        ),
        (HEAD + '[baseline]\nname = "none"\n', r"add tables \[\[baseline\]\]"),
        (HEAD + ROW + ROW, "label 'none' occurs twice; give one of the rows another"),
        (HEAD + ROW + ROW + 'label = "b"\n', "rows 'none' and 'b' are the same run"),
        (HEAD, "the study is empty"),
        (ROW, "study.data: missing"),
        (HEAD.replace("[0, 1]", "[]") + ROW, "study.seeds: the list is empty"),
        (HEAD.replace("[0, 1]", "[0, 0]") + ROW, "study.seeds: 0 occurs twice; name it once"),
        (HEAD.replace("[0, 1]", "[true]") + ROW, "study.seeds 1: True should be a valid integer"),
        (HEAD.replace("[0, 1]", "[-1]") + ROW, "seed"),
        (
            HEAD.replace('["exact_small"]', '"exact_small"') + ROW,
            "'exact_small' should be a valid list",
        ),
        (HEAD.replace('["exact_small"]', '["exact_smal"]') + ROW, "did you mean 'exact_small'?"),
        (HEAD.replace('preset = "exact_small"', 'preset = "exact_smal"') + ROW, "exact_small"),
        (HEAD + "lr = 1\n" + ROW, "mine.toml: study.lr: unknown key"),
        (HEAD + "precision = 16\n" + ROW, "study.precision: 16; did you mean 'bf16'"),
        (HEAD + 'precision = "fp16"\n' + ROW, "fp16"),
        (HEAD + "[trian]\nepochs = 3\n" + ROW, "mine.toml: trian: .* 'train'"),
        (HEAD + "[train]\nepoch = 3\n" + ROW, "did you mean 'epochs'?"),
        (HEAD + "[train]\nepochs = 3.0\n" + ROW, "epochs"),
        (HEAD.replace("[study]", "[study") + ROW, "not valid TOML"),
        (HEAD + 'contrasts = [["none"]]\n' + ROW, r"contrasts 1: \['none'\] is no contrast"),
        (HEAD + 'contrasts = [["none", "none"]]\n' + ROW, "give two different rows"),
        (HEAD + 'contrasts = ["none"]\n' + ROW, "study.contrasts 1: 'none' should be a valid list"),
        (
            HEAD + 'contrasts = [["none", "other"], ["other", "none"]]\n' + TWO,
            "study.contrasts: a pair occurs twice; name it once",
        ),
        (
            HEAD + 'contrasts = [["none", "othr"]]\n' + TWO,
            "study.contrasts: no row 'othr'; did you mean 'other'",
        ),
        (
            HEAD + 'contrasts = [["none", "other"]]\n' + TWO + 'precision = "bf16"\n',
            "study.contrasts: 'none' and 'other' differ in precision, so no table has both",
        ),
    ],
)
def test_bad_studies_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        study.load(write(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(tmp_path / "mine.toml: ")) for line in lines)
    assert len(lines) == (2 if text == ROW else 1)  # it lacks both lists of [study]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        '[study]\ndata = ["exact_smal"]\nseeds = [0, -1]\nprecison = "bf16"\n'
        "[train]\nepoch = 3\nlr = 0\n[modle]\nlatent = 8\n"
        '[[baseline]]\nname = "cyclical"\ncycels = 3\nratio = "a"\ntrain = {epoch = 3}\n'
        '[[baseline]]\nname = "cyclicl"\n'
        '[[baseline]]\nname = "monotonic"\nwarmup = "50 epochs"\nlabel = ""\n'
    )
    with pytest.raises(UserError) as caught:
        study.load(write(tmp_path, text), settings={"model": {"hiden": 3}})
    told = [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]
    assert told == [
        "mine.toml: modle: unknown key; did you mean 'model'?",
        "mine.toml: study.data 1: exact_smal: unknown data set; did you mean 'exact_small'?",
        "mine.toml: study.seeds 2: -1 should be greater than or equal to 0",
        "mine.toml: study.precison: unknown key; did you mean 'precision'?",
        "--set: model.hiden: unknown key; did you mean 'hidden'?",
        "mine.toml: train.lr: 0 should be greater than 0",
        "mine.toml: train.epoch: unknown key; did you mean 'epochs'?",
        "mine.toml: baseline 1.train.epoch: unknown key; did you mean 'epochs'?",
        "mine.toml: baseline.cyclical.ratio: 'a' should be a valid number",
        "mine.toml: baseline.cyclical.cycels: unknown key; did you mean 'cycles'?",
        "mine.toml: baseline 'cyclicl': unknown; did you mean 'cyclical'?",
        "mine.toml: baseline 3.label: '' is empty or holds markup; a label must be plain text",
    ]


def test_no_baseline_may_have_a_setting_that_a_row_has() -> None:
    row = {field.name for field in fields(study._Row)}
    assert row - {"params"} == set(registry.RESERVED)


def test_unknown_files_ids_and_seeds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such study file"):
        study.load(tmp_path / "absent.toml")
    path = write(tmp_path, HEAD + ROW)
    with pytest.raises(UserError, match="has no seed 7; it has 0, 1"):
        study.load(path, seeds=[7])
    loaded = study.load(path)
    with pytest.raises(UserError, match=f"did you mean '{loaded.configs[0].id}'"):
        loaded.find(loaded.configs[0].id[:-1] + "?")


def paper(name: str) -> study.Study:
    return study.load(Path(__file__).parents[2] / "paper" / f"{name}.toml")


@pytest.mark.parametrize("name", ["quickstart", "fu2019_ptb", "ptb_check"])
def test_the_papers_studies_load(name: str) -> None:
    loaded = paper(name)
    four = {"none", "monotonic", "cyclical", "delayed_linear"}
    assert {"lstm_lm", "autoencoder"} | four <= set(loaded.labels)
    seeds = {run.config.seed for run in loaded.configs}
    assert seeds == ({0} if name == "ptb_check" else {0, 1, 2, 3, 4})
    if name != "quickstart":
        assert "delayed_linear_late" in loaded.labels
        assert loaded.configs[0].config.train.epochs == (40 if name == "fu2019_ptb" else 3)


def test_the_rows_of_main_differ_in_the_method_alone() -> None:
    """Its schedules beside the weights by hand, of 80 steps: two an epoch."""
    runs = paper("main").of_seeds([0])
    assert len({(run.config.model, run.config.train, run.config.precision) for run in runs}) == 1
    weights = {
        run.label: [run.config.method().weight(step, 80) for step in range(81)] for run in runs
    }
    core = ["lstm_lm", "none", "monotonic", "cyclical", "cyclical_half", "delayed_linear",
            "late_rise"]  # fmt: skip
    assert list(weights)[:7] == core
    assert weights["monotonic"][::5] == pytest.approx([0, 0.25, 0.5, 0.75] + [1] * 13)
    # At 80 the next cycle begins, but training is over.
    assert weights["cyclical"][:80:5] == pytest.approx([0, 0.5, 1, 1] * 4)
    assert weights["cyclical_half"][:40:5] == pytest.approx([0, 1] * 4)
    assert set(weights["cyclical_half"][40:]) == {1}
    assert weights["delayed_linear"][16:25:2] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert weights["late_rise"][30:] == pytest.approx(weights["cyclical_half"][30:])
    assert set(weights["late_rise"][:30]) == {0}
    assert weights["zero_linear"][40:61:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_the_optimiser_of_main_is_decided_by_its_own_language_model() -> None:
    """Under either preset, the first run of main is one of the two but for its precision."""
    main, (adam, sgd) = paper("main"), paper("optimiser").configs
    stated = replace(main.configs[0].config, precision="fp32")
    assert stated.id in (adam.id, sgd.id)
    cooled = {"epochs": 40, "lr_schedule": "cooldown", "cooldown": 0.5}
    for run, preset in ((adam, "fu2019_ptb"), (sgd, "li2019_ptb")):
        under = resolve(data="ptb", baseline="lstm_lm", seed=0, preset=preset, precision="fp32",
                        sections={"train": cooled})  # fmt: skip
        assert run.id == under.id


def test_a_row_may_have_its_own_precision(tmp_path: Path) -> None:
    low = ROW + 'label = "low"\nprecision = "bf16"\n'
    loaded = study.load(write(tmp_path, HEAD + ROW + low))
    told = {run.label: run.config.precision for run in loaded.configs}
    assert (told["low"], len(told), set(told.values())) == ("bf16", 2, {"bf16", "fp32"})
    with pytest.raises(UserError, match=r"mine.toml: baseline 1.precision: 'fp16'; did you mean"):
        study.load(write(tmp_path, HEAD + low.replace("bf16", "fp16")))


def test_a_check_of_a_baselines_own_sees_the_epochs_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "from dataclasses import dataclass\n"
        "from benchmark.baseline import Baseline\n"
        "@dataclass(frozen=True)\n"
        "class Late(Baseline):\n"
        "    start: float = 0.1\n"
        "    end: float = 0.2\n"
        "    def __post_init__(self) -> None:\n"
        "        if self.end <= self.start:\n"
        "            raise ValueError('end must be above start')\n"
        "    def weight(self, step: float, total: float) -> float:\n"
        "        return float(step > self.end * total)\n"
    )
    row = '[[baseline]]\nname = "late"\nfile = "late.py"\nend = "{} epochs"\n'
    loaded = study.load(write(tmp_path, HEAD + row.format(10)))
    assert loaded.configs[0].config.params["end"] == 10 / loaded.configs[0].config.train.epochs
    with pytest.raises(UserError, match="end must be above start"):
        study.load(write(tmp_path, HEAD + row.format(1)))


def test_a_seed_that_no_record_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="9223372036854775808 should be less than"):
        study.load(write(tmp_path, HEAD.replace("[0, 1]", f"[{2**63}]") + ROW))


def test_a_field_whose_type_is_no_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from dataclasses import dataclass, field\n"
        "from benchmark.baseline import Baseline\n"
        "class Thing:\n"
        "    pass\n"
        "@dataclass(frozen=True)\n"
        "class Odd(Baseline):\n"
        "    thing: Thing = field(default_factory=Thing)\n"
        "    def weight(self, step: float, total: float) -> float:\n"
        "        return 1.0\n"
    )
    row = '[[baseline]]\nname = "odd"\nfile = "odd.py"\n'
    with pytest.raises(UserError, match=r"mine\.toml: baseline\.odd: .*Thing"):
        study.load(write(tmp_path, HEAD + row))


def test_planned_contrasts_are_read_as_strictly_without_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + 'contrasts = [["other", "none"]]\n' + TWO)
    assert study.planned(path) == [("other", "none")]
    assert study.planned(tmp_path / "absent.toml") == []
    assert study.planned(write(tmp_path, HEAD + ROW)) == []
    with pytest.raises(UserError, match=r"study\.contrasts: 3 should be a valid list"):
        study.planned(write(tmp_path, HEAD + "contrasts = 3\n" + TWO))
