"""On a GPU, tried without one: no tensor meets one of another device, no step waits for the card.

PyTorch's fake tensors have a shape, a type and a device, but no numbers; to mix devices raises as
on a card. What is fetched from the pretended card is 0, and counted; gradients are made up.
"""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode

from benchmark.bench import scaling
from benchmark.core.errors import UserError
from benchmark.core.seeds import generator
from benchmark.model import lowprecision, registry
from benchmark.model import vae as models
from benchmark.model.lowprecision import LSTM, _loss_without_looking, rounded
from benchmark.run import samples, training
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured, encode
from benchmark.run.evaluation import measure_bucket, validate
from benchmark.run.training import Training

CARD = torch.device("cuda:0")
SMALL = "exact_small:classes=2,min_length=2,sentences=8,stop=0.6,test=4,valid=4,words=6"
GUARDS, NUMBER, META = "_ZN3c104impl26device_guard_impl_registryE", 1, 14  # c10's, of CUDA
FETCHING = (
    Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.item,
    Tensor.__bool__, Tensor.__int__, Tensor.__float__,
)  # fmt: skip
FEW = {"aggressive": {"inner": 2, "window": 1}}


class Card(TorchFunctionMode):
    """The pretended card, and how many numbers were fetched from it."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0
        self.model: torch.nn.Module | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.backward:
            assert self.model is not None
            for value in self.model.parameters():
                value.grad = torch.empty_like(value)
            return None
        if func in FETCHING and isinstance(args[0], Tensor):
            if func is Tensor.numpy and args[0].device == CARD:
                raise TypeError("numpy reads no memory of a card")
            self.fetched += args[0].device == CARD
            with unset_fake_temporarily():
                return func(torch.zeros(args[0].shape, dtype=args[0].dtype), *args[1:])
        return func(*args, **(kwargs or {}))

    def training(self, config: RunConfig) -> Training:
        """A run on it, at its first batch."""
        run = Training(config, tiny.corpus(config.data), CARD)
        self.model, run.batch = run.model, run.epochs.batch(0, 0)
        assert {value.device for value in run.model.parameters()} == {CARD} == {run.batch.device}
        return run


def on_cpu(work: Callable[..., Any]) -> Callable[..., Any]:
    """Real numbers, of the real CPU; generators of a card are none here."""

    def done(*arguments: Any, device: object = None) -> Any:
        with unset_fake_temporarily():
            return work(*arguments)

    return done


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    if not torch.cuda.is_available():  # a CPU build: lend it the guard of shapes without memory
        try:
            library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
            guards = (ctypes.c_void_p * (META + 1)).in_dll(library, GUARDS)
        except (OSError, ValueError):
            pytest.skip("this build of torch can pretend no GPU")
        known, guards[NUMBER] = guards[NUMBER], guards[NUMBER] or guards[META]
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)  # it wants addresses
    monkeypatch.setattr(LSTM, "replays", False)  # graphs hold real work
    monkeypatch.setattr(training, "build", on_cpu(models.build))
    for module in (training, samples):
        monkeypatch.setattr(module, "generator", on_cpu(generator))
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with Card() as found, FakeTensorMode(allow_non_fake_inputs=True):
            yield found
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        if not torch.cuda.is_available():
            guards[NUMBER] = known


@pytest.mark.parametrize("name", registry.names())
def test_every_method_trains_there_and_no_step_waits(name: str, card: Card) -> None:
    run = card.training(tiny.config(name, data=SMALL, params=FEW.get(name), precision="bf16"))
    loss, kl = run.update(run.batch)
    assert {loss.device, kl.device} == {CARD}
    assert card.fetched == 0
    run.baseline.before_step(run)
    run.baseline.begin_phase(run, 1)
    run.update(run.random_batch())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["none", "lstm_lm", "batch_norm_mean", "delta", "dispersed"])
def test_a_model_there_is_measured_and_writes(name: str, precision: str, card: Card) -> None:
    run = card.training(tiny.config(name, data=SMALL, precision=precision))
    run.update(run.batch)
    run.model.eval()
    test = Measured("test", run.corpus.splits["test"], 0, CARD)
    with run.autocast():
        assert validate(run.model, run.valid)["kl"] == 0
        encoded = encode(run.model, test)
        parts = measure_bucket(run.model, test, encoded, test.buckets[0], 5, 3)
        samples.draw(run.model, run.corpus, dict.fromkeys(samples.KINDS, 1), max_length=2)
        samples.draw(run.model, run.corpus, {"prior": 1}, max_length=2, greedy=False)
    assert encoded.z.device == CARD
    assert {type(part) for part in parts.values()} == {np.ndarray}


def test_growth_is_measured_there(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "generator", on_cpu(generator))
    monkeypatch.setattr(scaling, "build", on_cpu(models.build))
    monkeypatch.setattr(scaling, "SENTENCES", 4)
    scaling._score(CARD, 1)()
    scaling._information(CARD, 1)()
    assert card.fetched > 2


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            "return torch.where(torch.rand(tokens.shape) < 0.5, tokens, 0)",
            "(same|different) device",
        ),
        ("tokens.numpy(); return tokens", "no memory of a card"),
    ],
)
def test_a_method_that_forgets_the_device_is_seen(
    card: Card, tmp_path: Path, body: str, problem: str
) -> None:
    """That the tests above can fail."""
    (tmp_path / "mine.py").write_text(
        '"""Of a test."""\nimport torch\nfrom dataclasses import dataclass\n'
        "from benchmark.baseline import Baseline\n\n@dataclass(frozen=True)\n"
        f"class Mine(Baseline):\n    def inputs(self, tokens, generator):\n        {body}\n"
    )
    run = card.training(tiny.config("mine", data=SMALL, file=str(tmp_path / "mine.py")))
    with pytest.raises((RuntimeError, TypeError), match=problem):
        run.update(run.batch)


# What a GPU computes otherwise, on the CPU --------------------------------------------------------


@tiny.needs_bf16
@pytest.mark.parametrize("first", [False, True])
def test_an_lstm_rounds_as_autocast_does_on_a_cpu(first: bool) -> None:
    noise = generator("lstm")
    layer = LSTM(12, 16)
    given = [torch.randn(3, 5, 12, generator=noise), *torch.randn(2, 1, 3, 16, generator=noise)]

    def results(inside: bool) -> list[Tensor | None]:
        layer.zero_grad()
        words, *state = (value.clone().requires_grad_() for value in given)
        begin = (state[0], state[1]) if first else None
        with torch.autocast("cpu", torch.bfloat16, enabled=not inside):
            if inside:
                weights = [getattr(layer, name) for name in layer._flat_weights_names]
                low = torch.bfloat16
                out, *last = rounded(16, low, low, True, *weights, words, *(begin or ()))
            else:
                out, last = layer(words, begin)
        (out.float().square().sum() + last[1].sum()).backward()
        return [out, *last, words.grad, *(value.grad for value in (*state, *layer.parameters()))]

    for ours, reference in zip(results(True), results(False), strict=True):
        assert (ours is None) == (reference is None)
        if ours is not None and reference is not None:
            assert ours.dtype == reference.dtype
            assert torch.allclose(ours, reference, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("first", [False, True])
def test_without_bf16_arithmetic_an_lstm_multiplies_rounded_numbers(
    first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PyTorch's own layer does in fp32, given rounded weights and inputs."""
    noise = generator("lstm")
    layer, plain = LSTM(12, 16), torch.nn.LSTM(12, 16, batch_first=True)
    words, *state = torch.randn(3, 5, 12, generator=noise), *torch.randn(2, 1, 3, 16)
    rounded = {name: value.bfloat16().float() for name, value in layer.state_dict().items()}
    plain.load_state_dict(rounded)
    begin = (state[0], state[1]) if first else None
    monkeypatch.setattr(lowprecision, "has_bf16", lambda: False)
    with torch.autocast("cpu", torch.bfloat16):
        found, last = layer(words, begin)
    expected, known = plain(
        words.bfloat16().float(),
        begin and (begin[0].bfloat16().float(), begin[1].bfloat16().float()),
    )
    for ours, reference in zip((found, *last), (expected, *known), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, reference)
    assert not torch.equal(found, layer(words, begin)[0])  # nor is it that of unrounded numbers
    found.square().sum().backward()
    expected.square().sum().backward()
    for name, value in layer.named_parameters():
        torch.testing.assert_close(value.grad, plain.get_parameter(name).grad, rtol=0.02, atol=0.02)


def test_a_loss_that_never_looks_is_exact() -> None:
    scores = torch.tensor([[0.0, 256.0, -256.0], [0.0, 1.0, 2.0]]).bfloat16()
    wide, targets = scores.double().requires_grad_(), torch.tensor([[2], [1]])
    expected = -wide.log_softmax(1).gather(1, targets)[:, 0]
    expected.sum().backward()  # type: ignore[no-untyped-call]
    assert wide.grad is not None
    loss = _loss_without_looking(scores.float(), scores, targets, True)
    assert torch.allclose(loss.double(), expected.detach(), rtol=1e-6)
    assert torch.allclose(scores.double(), wide.grad, atol=4e-3)  # the slopes, in bf16


@pytest.mark.parametrize("size", [16, 5056])
def test_a_checkpoint_of_another_kind_of_device_is_refused(size: int) -> None:
    """The state of a generator has 16 bytes on CUDA, 5056 on a CPU."""
    run = tiny.training(tiny.config("none"))
    state = {**run.state(), "noise": run.noise.get_state()[:size]}
    if size == len(run.noise.get_state()):
        run.load_state(state)
        return
    with pytest.raises(
        UserError, match=r"another kind of device than cpu.*resume with the --device used before"
    ):
        run.load_state(state)
