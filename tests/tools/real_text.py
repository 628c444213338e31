"""Some steps of every baseline on a prepared corpus: a script, for what no test may carry.

    python tests/tools/real_text.py ptb --steps 200
    python tests/tools/real_text.py yahoo_small --preset he2019_yahoo --baselines none

Prints for each baseline its updates, the loss of the first and the last tenth of the steps and the
KL (nats a sentence), and seconds a step; exits with 1 where a loss is not finite or did not fall.
"""

import argparse
import time
from pathlib import Path

import torch

from benchmark import data
from benchmark.data.corpus import Corpus
from benchmark.model import registry
from benchmark.model.device import prepare_device
from benchmark.run.config import resolve
from benchmark.run.training import Training


class Enough(Exception):
    """Raised after the last step that is wanted."""


def steps(name: str, corpus: Corpus, preset: str, count: int, device: torch.device) -> bool:
    """Train, print a line; whether the loss is finite and has fallen."""
    run = Training(resolve(corpus.spec, name, 0, preset=preset), corpus, device)
    tenth = max(1, count // 10)
    means: list[tuple[float, float]] = []

    def after_step() -> None:
        if run.step % tenth == 0:
            means.append(run.mean_loss())
        if run.step >= count:
            raise Enough

    begin = time.monotonic()
    try:
        run.train(after_step)
    except Enough:
        run.check()
    seconds = (time.monotonic() - begin) / run.step
    (first, _), (last, kl) = means[0], means[-1]
    updates = f"{run.updates['encoder']:,}/{run.updates['decoder']:,}"
    print(
        f"{name:<22}{updates:>14}{first:>10.2f}{last:>10.2f}{kl:>9.2f}{seconds:>9.3f}", flush=True
    )
    return last < first


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", help="prepared: `pcbench data prepare`")
    parser.add_argument("--data", type=Path, default=data.default_root())
    parser.add_argument("--preset", default="fu2019_ptb")
    parser.add_argument("--baselines", default=",".join(registry.names()))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = prepare_device(given.device, given.threads)
    corpus = data.load(given.corpus, given.data)
    print(f"{given.corpus}, {given.preset}, {given.steps} steps, {given.threads} threads")
    print(f"{'baseline':<22}{'enc/dec':>14}{'first':>10}{'last':>10}{'KL':>9}{'s/step':>9}")
    rest = (corpus, given.preset, given.steps, device)
    fine = [steps(name, *rest) for name in given.baselines.split(",")]
    print(f"{sum(fine)} of {len(fine)} fell")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    raise SystemExit(main())
