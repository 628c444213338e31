"""Methods with a slip: each is refused in one line that names file and hook, before a step."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from benchmark import cli
from benchmark import data as corpora

HEAD = '''"""A method for a test."""
import random, numpy as np, torch
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar
from torch import nn
from benchmark.model.baseline import Baseline

class Broken(nn.Module):
    """An encoder with the mean of all states, and torch's own dropout."""
    def __init__(self, embedding):
        super().__init__()
        self.embedding, self.dropout = embedding, nn.Dropout(0.5)
        self.out = nn.Linear(6, 8)
    def forward(self, tokens):
        return self.out(self.dropout(self.embedding(tokens)).mean(1))

class Deaf(nn.Module):
    """A decoder that can be trained, but not decode word by word."""
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
    def forward(self, *args):
        return self.inner(*args)

class Narrow(nn.Module):
    def forward(self, state):
        return state[:, :2], state[:, :2]

@dataclass(frozen=True)
class M(Baseline):
'''


def method(folder: Path, body: str) -> Path:
    path = folder / "m.py"
    path.write_text(HEAD + "".join(f"    {line}\n" for line in body.splitlines()))
    return path


def arguments(folder: Path, body: str) -> list[str]:
    """What `pcbench` gets to train a method: small, on the tiny language."""
    sections = {"model": tiny.MODEL, "train": tiny.TRAINING, "evaluate": tiny.EVALUATE}
    settings = [
        f"--set={section}.{key}={value}"
        for section, table in sections.items()
        for key, value in table.items()
    ]
    return [
        *("run", "--data", tiny.SPEC, "--baseline", "m", "--file", str(method(folder, body))),
        *("--preset", tiny.PRESET, "--runs", str(folder / "runs"), "--quiet", *settings),
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    corpora.load(tiny.SPEC, root)
    return root


@pytest.fixture
def pcbench(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str]]:
    def call(body: str) -> tuple[int, str]:
        code = cli.main([*arguments(tmp_path, body), "--data-dir", str(data)])
        return code, capsys.readouterr().err

    return call


# The latent has 3 dimensions, so the check has 4 sentences.
WRONG = {
    "penalty_bz": (
        "def penalty(self, kl):\n    return kl.clamp(min=0.5)",
        "penalty returned (4, 3); expected (4,)",
    ),
    "penalty_sum": ("def penalty(self, kl):\n    return kl.sum()", "penalty returned (); expected"),
    "penalty_mean": (
        "def penalty(self, kl):\n    return kl.mean()",
        "penalty returned (); expected",
    ),
    "penalty_over_sentences": (
        "def penalty(self, kl):\n    return kl.sum(0)",
        "penalty returned (3,); expected (4,)",
    ),
    "penalty_none": ("def penalty(self, kl):\n    kl.sum(-1)", "penalty returned None; expected"),
    "penalty_integers": (
        "def penalty(self, kl):\n    return kl.sum(-1).long()",
        "penalty returned (4,) of torch.int64; expected finite floating numbers",
    ),
    "penalty_with_the_sum": (
        "def penalty(self, kl):\n    return kl.sum(-1) + kl.sum()",
        "for the same batch repeated; sum over",
    ),
    "objective_of_the_sum": (
        "def objective(self, run, out):\n    return (out.rec + out.kl.sum(-1)).sum()",
        "for the same batch repeated; take the mean over sentences",
    ),
    "no_batch_of_one": (
        "def penalty(self, kl):\n    return kl.sum(-1) / (len(kl) - 1)",
        "penalty returned inf at step 0",
    ),
    "penalty_nan": (
        "def penalty(self, kl):\n    return (-kl.sum(-1)).sqrt()",
        "penalty returned (4,) of torch.float32; expected finite floating numbers",
    ),
    "penalty_infinite_of_a_small_kl": (
        "def penalty(self, kl):\n    return kl.sum(-1).where(kl.mean() > 0.1, torch.inf)",
        "penalty returned inf at step 0, although the reconstruction, ",
    ),
    "penalty_detached": (
        "def penalty(self, kl):\n    return kl.detach().sum(-1)",
        "penalty returned a cost of sentence 0 that does not depend on its KL",
    ),
    "penalty_of_one": (
        "def penalty(self, kl):\n    return kl[0].sum().expand(len(kl))",
        "penalty returned a cost of sentence 1 that does not depend on its KL",
    ),
    "penalty_of_the_sum": (
        "def penalty(self, kl):\n    return kl.sum().expand(len(kl))",
        "for the same batch repeated; sum over",
    ),
    "penalty_raises": (
        "def penalty(self, kl):\n    return kl.sum(-1).clmp(min=1)",
        "m.py:33: penalty raised AttributeError: 'Tensor' object has no attribute 'clmp'",
    ),
    "penalty_signature": (
        "def penalty(kl):\n    return kl.sum(-1)",
        "penalty(): too many positional arguments; expected penalty(self, kl)",
    ),
    "weight_tensor": (
        "def weight(self, step, total):\n    return torch.tensor(step / total)",
        "weight(0, 28) returned a tensor; return float(...)",
    ),
    "weight_bool": (
        "def weight(self, step, total):\n    return step > total / 2",
        "weight(0, 28) returned False; return a number",
    ),
    "weight_none": (
        "def weight(self, step, total):\n    step / total",
        "weight(0, 28) returned None; return a number",
    ),
    "weight_string": (
        "def weight(self, step, total):\n    return '1'",
        "weight(0, 28) returned '1'; return a number",
    ),
    "weight_nan_later": (
        "def weight(self, step, total):\n    return float('nan') if 2 * step > total else 1.0",
        "weight(15, 28) returned nan; expected a finite number of at least 0",
    ),
    "weight_negative": (
        "def weight(self, step, total):\n    return step / total - 0.1",
        "weight(0, 28) returned -0.1; expected a finite number of at least 0",
    ),
    "weight_no_function_of_the_step": (
        "def weight(self, step, total, seen=[0]):\n    seen[0] += 1\n    return 1 / seen[0]",
        "it must depend on the step alone; keep other state in run.memory",
    ),
    "weight_signature": (
        "def weight(self, step):\n    return 1.0",
        "weight(step): too many positional arguments; expected weight(self, step, total)",
    ),
    "weight_as_a_field": (
        "weight: float = 0.5",
        "weight is not a method; expected weight(self, step, t",
    ),
    "objective_of_the_batch": (
        "def objective(self, run, out):\n    return out.rec",
        "objective returned (4,); expected a scalar tensor",
    ),
    "objective_float": (
        "def objective(self, run, out):\n    return float(out.rec.mean().detach())",
        "expected a scalar tensor, ()",
    ),
    "objective_tuple": (
        "def objective(self, run, out):\n"
        "    return run.criterion(out.logits, out.targets, out.mu, out.logvar)",
        "objective returned (tensor(",
    ),
    "objective_detached": (
        "def objective(self, run, out):\n    return out.rec.mean().detach()",
        "objective returned a loss without a gradient for any of encoder, posterior, decoder",
    ),
    "objective_nan": (
        "def objective(self, run, out):\n    return out.rec.mean() * float('nan')",
        "objective returned nan at step 0, although the reconstruction, ",
    ),
    "objective_raises": (
        "def objective(self, run, out):\n    return run.memory['mean'] * out.rec.mean()",
        "m.py:33: objective raised KeyError: 'mean'",
    ),
    "inputs_none": (
        "def inputs(self, tokens, generator):\n    pass",
        "inputs returned None; expected",
    ),
    "inputs_shifted": (
        "def inputs(self, tokens, generator):\n    return tokens[:, 1:]",
        "inputs returned (4, 4); expected word ids, (4, 5) as given",
    ),
    "inputs_floating": (
        "def inputs(self, tokens, generator):\n    return tokens * 1.0",
        "inputs returned (4, 5) of torch.float32; expected word ids, torch.int64",
    ),
    "inputs_outside": (
        "def inputs(self, tokens, generator):\n    return torch.full_like(tokens, 15)",
        "inputs returned the word ids 15 to 15; the vocabulary has the ids 0 to 14",
    ),
    "inputs_in_place": (
        "def inputs(self, tokens, generator):\n    tokens[:, 1] = 0\n    return tokens",
        "inputs changes its tokens in place; change a copy, tokens.clone()",
    ),
    "inputs_random": (
        "def inputs(self, tokens, generator):\n"
        "    return tokens.masked_fill(torch.rand(tokens.shape) < 0.5, 0)",
        "inputs uses the global generator of torch, which no seed of the run sets and no "
        "checkpoint holds; draw from its argument `generator`",
    ),
    "objective_random": (
        "def objective(self, run, out):\n    return out.rec.mean() * random.random()",
        "objective uses the global generator of random, which no seed of the run sets and no "
        "checkpoint holds; draw from run.noise",
    ),
    "weight_random": (
        "def weight(self, step, total):\n    return np.random.uniform()",
        "weight uses the global generator of numpy",
    ),
    "build_none": ("def build(self, model):\n    pass", "build returned None; it must return"),
    "build_other": (
        "def build(self, model):\n    return model.encoder",
        "build returned Encoder(",
    ),
    "build_without_a_part": (
        "def build(self, model):\n    del model.posterior\n    return model",
        "build returned a model without posterior",
    ),
    "build_with_dropout": (
        "def build(self, model):\n"
        "    model.encoder = Broken(model.encoder.embedding)\n    return model",
        "the model that build returns uses the global generator of torch",
    ),
    "build_narrow": (
        "def build(self, model):\n    model.posterior = Narrow()\n    return model",
        "build returned a model that fails: RuntimeError: ",
    ),
    "build_not_measurable": (
        "def build(self, model):\n    model.decoder = Deaf(model.decoder)\n    return model",
        "build returned a model that fails: AttributeError: ",
    ),
    "misspelt_hook": (
        "def wieght(self, step, total):\n    return 0.5",
        "wieght is not a hook; did you mean 'weight'? (a helper is _wieght)",
    ),
    "no_annotation": (
        "warmup = 0.5",
        "(a hyper-parameter has a type, warmup: float = ..., a constant is _warmup)",
    ),
    "constant_as_a_field": (
        "latent: bool = False",
        "latent is not a hyper-parameter; write latent: ClassVar[bool] = ...",
    ),
    "property_as_a_method": (
        "def phases(self):\n    return (0.5,)",
        "phases is a property; write @property above it",
    ),
    "phases_descend": (
        "@property\ndef phases(self):\n    return (0.5, 0.25)",
        "phases is (0.5, 0.25); expected ascending fractions",
    ),
    "selection": (
        "def selection_in(self, phase):\n    return 0.0",
        "selection_in of the last phase must be selection_weight",
    ),
    "state_in_self": (
        "def objective(self, run, out):\n"
        "    loss = super().objective(run, out)\n"
        "    object.__setattr__(self, 'mean', float(loss.detach()))\n    return loss",
        "objective changes mean of the method, which no checkpoint holds; keep state in run.memory",
    ),
    "state_in_a_field": (
        "seen: list = field(default_factory=list)\n"
        "def weight(self, step, total):\n    self.seen.append(step)\n    return 1.0",
        "weight changes seen of the method",
    ),
    "state_in_the_class": (
        "_seen: ClassVar[list] = []\n"
        "def penalty(self, kl):\n    self._seen.append(1)\n    return kl.sum(-1)",
        "penalty changes _seen of the method",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_method_is_refused_in_one_line_before_its_first_step(
    name: str, pcbench: Callable[[str], tuple[int, str]], tmp_path: Path
) -> None:
    body, message = WRONG[name]
    code, said = pcbench(body)
    assert message in said
    assert said.startswith(f"pcbench: {tmp_path}/m.py:")
    assert (code, said.count("\n")) == (2, 1)
    assert not (tmp_path / "runs").exists()  # so that no failure is counted
