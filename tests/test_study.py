"""Study files: what they mean, and how they are refused."""

from pathlib import Path

import pytest

from benchmark import study
from benchmark.errors import UserError

HEAD = '[study]\ndata = ["exact_small"]\nseeds = [0, 1]\npreset = "exact_small"\n'
ROW = '[[baseline]]\nname = "none"\n'


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
        (HEAD + '[[baseline]]\nname = "cyclical"\ncycles = "4"\n', "'4' is not of type int"),
        (HEAD + '[[baseline]]\nname = "cyclical"\ncycles = 0\n', "must be at least 1"),
        (HEAD + '[[baseline]]\nname = "cyclic"\n', "did you mean 'cyclical'?"),
        (HEAD + '[[baseline]]\nlabel = "x"\n', "baseline 1: 'name' must be a text"),
        (HEAD + ROW + "label = 3\n", "'label' must be a text"),
        (HEAD + ROW + 'label = "a<b>c"\n', "'label' 'a<b>c' holds markup, which no report shows"),
        (HEAD + '[baseline]\nname = "none"\n', "array of tables"),
        (HEAD + ROW + ROW, "label 'none' occurs twice; give one of the rows another"),
        (HEAD + ROW + ROW + 'label = "b"\n', "rows 'none' and 'b' are one run"),
        (HEAD, "the study is empty"),
        ("", "study.data: missing"),
        (HEAD.replace("[0, 1]", "[]") + ROW, "the study is empty"),
        (HEAD.replace("[0, 1]", "[0, 0]") + ROW, "study.seeds 0 occurs twice; name it once"),
        (HEAD.replace("[0, 1]", "[true]") + ROW, "study.seeds: .* not a list of integers"),
        (HEAD.replace("[0, 1]", "[-1]") + ROW, "seed"),
        (HEAD.replace('["exact_small"]', '"exact_small"') + ROW, "not a list of texts"),
        (HEAD.replace('["exact_small"]', '["exact_smal"]') + ROW, "did you mean 'exact_small'?"),
        (HEAD.replace('preset = "exact_small"', 'preset = "exact_smal"') + ROW, "exact_small"),
        (HEAD + "lr = 1\n" + ROW, "mine.toml: study.lr: unknown key"),
        (HEAD + "precision = 16\n" + ROW, "study.precision: 16 is not a text"),
        (HEAD + 'precision = "fp16"\n' + ROW, "fp16"),
        (HEAD + "[trian]\nepochs = 3\n" + ROW, "mine.toml: trian: .* 'train'"),
        (HEAD + "[train]\nepoch = 3\n" + ROW, "did you mean 'epochs'?"),
        (HEAD + "[train]\nepochs = 3.0\n" + ROW, "epochs"),
        (HEAD.replace("[study]", "[study") + ROW, "not valid TOML"),
    ],
)
def test_bad_studies_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        study.load(write(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


def test_unknown_files_ids_and_seeds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such study file"):
        study.load(tmp_path / "absent.toml")
    path = write(tmp_path, HEAD + ROW)
    with pytest.raises(UserError, match="has no seed 7; it has 0, 1"):
        study.load(path, seeds=[7])
    loaded = study.load(path)
    with pytest.raises(UserError, match=f"did you mean '{loaded.configs[0].id}'"):
        loaded.find(loaded.configs[0].id[:-1] + "?")


@pytest.mark.parametrize("name", ["quickstart", "main", "ptb_check"])
def test_the_papers_studies_load(name: str) -> None:
    loaded = study.load(Path(__file__).parent.parent / "paper" / f"{name}.toml")
    four = {"none", "monotonic", "cyclical", "delayed_linear"}
    assert {"lstm_lm", "autoencoder"} | four <= set(loaded.labels)
    seeds = {run.config.seed for run in loaded.configs}
    assert seeds == ({0} if name == "ptb_check" else {0, 1, 2, 3, 4})
    if name != "quickstart":
        assert "delayed_linear_late" in loaded.labels
        assert loaded.configs[0].config.train.epochs == (40 if name == "main" else 3)


def test_a_row_may_have_its_own_precision(tmp_path: Path) -> None:
    low = ROW + 'label = "low"\nprecision = "bf16"\n'
    loaded = study.load(write(tmp_path, HEAD + ROW + low))
    told = {run.label: run.config.precision for run in loaded.configs}
    assert (told["low"], len(told), set(told.values())) == ("bf16", 2, {"bf16", "fp32"})
    with pytest.raises(UserError, match=r"mine.toml: .*'fp16'; there are bf16, fp32"):
        study.load(write(tmp_path, HEAD + low.replace("bf16", "fp16")))
