"""What must hold on a GPU; tried on the CPU as well, so that these tests are tested without one.

On a new kind of card, run this first:
``pytest tests/model/test_device.py tests/model/test_on_a_card.py``.
"""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from benchmark import data as corpora
from benchmark.core.seeds import generator
from benchmark.model.device import open_device
from benchmark.model.loss import gaussian_kl
from benchmark.model.lowprecision import LSTM
from benchmark.run.config import RunConfig
from benchmark.run.finished import load_run
from benchmark.run.session import Interrupted, run
from benchmark.run.training import Training

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_card)])
precisions = pytest.mark.parametrize("precision", ["fp32", "bf16"])
STOP = 17  # the step at which a run is stopped
ONCE = f'''"""Stops its own process, the first time that it comes to a step."""
import os, pathlib, signal
from dataclasses import dataclass
from benchmark.model.baseline import Baseline

@dataclass(frozen=True)
class Once(Baseline):
    def before_step(self, run):
        order = pathlib.Path(__file__).with_name("stop")
        if run.step == {STOP} and order.exists():
            order.unlink()
            os.kill(os.getpid(), signal.SIGTERM)
'''


def train(root: Path, name: str, config: RunConfig, device: str) -> dict[str, Any]:
    return run(config, root / name, root / "data", device=device, progress=False)


@precisions
@devices
def test_a_run_repeats_itself_and_resumes_to_the_bit(
    device: str, precision: str, tmp_path: Path
) -> None:
    corpora.load(tiny.SPEC, tmp_path / "data")
    (tmp_path / "once.py").write_text(ONCE)
    config = tiny.config("once", file=str(tmp_path / "once.py"), precision=precision)
    expected = train(tmp_path, "one", config, device)["metrics"]
    assert train(tmp_path, "two", config, device)["metrics"] == expected
    (tmp_path / "stop").touch()
    with pytest.raises(Interrupted):
        train(tmp_path, "three", config, device)
    found = train(tmp_path, "three", config, device)
    assert (found["metrics"], found["provenance"]["resumed"]) == (expected, 1)
    assert found["cost"]["device"] == ("cpu" if device == "cpu" else torch.cuda.get_device_name())


@needs_card
@precisions
def test_replayed_lstms_change_no_bit(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpora.load(tiny.SPEC, tmp_path / "data")
    config = tiny.config("cyclical", precision=precision)
    record, shapes = torch.cuda.make_graphed_callables, []
    monkeypatch.setattr(
        torch.cuda,
        "make_graphed_callables",
        lambda work, given, **more: shapes.append(given[-1].shape) or record(work, given, **more),
    )
    monkeypatch.setattr(LSTM, "replays", True)
    replayed = train(tmp_path, "replayed", config, "cuda")["metrics"]
    assert len(shapes) > 2
    monkeypatch.setattr(LSTM, "replays", False)
    assert train(tmp_path, "plain", config, "cuda")["metrics"] == replayed


@precisions
@devices
def test_what_was_trained_there_is_measured_on_a_cpu(
    device: str, precision: str, tmp_path: Path
) -> None:
    corpora.load(tiny.SPEC, tmp_path / "data")
    config = tiny.config("none", precision=precision)
    there = train(tmp_path, "runs", config, device)["metrics"]["test"]
    here = load_run(config.id, tmp_path / "runs", tmp_path / "data").measure()[0]
    close = 0.0 if device == "cpu" else 1e-3 if precision == "fp32" else 0.05
    for name in ("rec", "kl", "iw_nll", "mi", "z_use"):
        assert here[name] == pytest.approx(there[name], rel=0, abs=close), name


def slopes(device: str, precision: str, words: int, **model: Any) -> dict[str, Tensor]:
    """Gradients of the bound of one batch with given noise, by parameter, on the CPU."""
    config = tiny.config("none", precision=precision, model=model, data=tiny.SPEC)
    made = Training(config, tiny.corpus(config.data), open_device(device, precision))
    noise = generator("card")
    tokens = torch.randint(3, words, (32, 12), generator=noise).to(made.device)
    epsilon = torch.randn(32, made.model.latent, generator=noise).to(made.device)
    with made.autocast():
        mu, logvar = made.model.encode(tokens)
        z = mu + epsilon * (0.5 * logvar).exp()
        loss = made.model.nll(tokens, z.unsqueeze(1)).sum() + gaussian_kl(mu, logvar).sum()
    (loss / len(tokens)).backward()  # type: ignore[no-untyped-call]
    found = made.model.named_parameters()
    return {name: value.grad.cpu() for name, value in found if value.grad is not None}


@pytest.mark.parametrize("hidden", [64, 256, 1024])  # cuDNN has other algorithms for other sizes
@pytest.mark.parametrize("init", [0.1, 0.01])
@precisions
@devices
def test_gradients_are_those_of_the_cpu_in_fp32(
    device: str, precision: str, init: float, hidden: int
) -> None:
    """With small weights the encoder's are below what fp16 holds, at the start of a run."""
    if device == "cpu" and hidden > 64:
        pytest.skip("the sizes of the protocols are for a GPU")
    sizes = {"embedding": hidden, "hidden": hidden, "latent": 32, "init": init, "feed": "cell"}
    reference = slopes("cpu", "fp32", 15, **sizes)
    found = slopes(device, precision, 15, **sizes)
    assert found.keys() == reference.keys()
    for name, expected in reference.items():
        assert found[name].dtype == torch.float32
        off = (found[name] - expected).norm() / expected.norm()
        assert off < (1e-4 if precision == "fp32" else 2e-2), f"{name}: {off:.1e}"
