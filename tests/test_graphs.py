"""A CUDA graph's steps are the eager steps, to the bit. Needs a GPU."""

from pathlib import Path

import pytest
import torch

from benchmark import data as corpora
from benchmark import run as running
from benchmark.config import resolve
from benchmark.training import Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("baseline", ["lstm_lm", "cyclical", "autoencoder"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_replayed_steps_equal_eager_steps(baseline: str, optimiser: str, tmp_path: Path) -> None:
    sections = {"train": {"epochs": 3, "optimiser": optimiser}}
    spec = "exact_small:sentences=600,test=50,valid=50"
    config = resolve(spec, baseline, 0, preset="exact_small", sections=sections)
    device = running.prepare_device("cuda", 1)
    corpus = corpora.load(spec, tmp_path)
    weights = []
    for graphed in (True, False):
        training = Training(config, corpus, device)
        if not graphed:
            training._update = training.eager_update
        training.train(lambda: None)
        weights.append(training.model.state_dict())
        torch.cuda.synchronize()
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
