"""Defaults, strict reading, and what does and does not rename a run."""

import dataclasses
from typing import Any

import pytest
import tiny

from benchmark.core.errors import UserError
from benchmark.core.settings import EvaluateConfig, ModelConfig, TrainConfig
from benchmark.model import registry
from benchmark.run import config
from benchmark.run.config import RunConfig, resolve

# All defaults at PROTOCOL 1 and EVALUATION 2.
VERSIONS = {"protocol": 1, "evaluation": 2}
GOLDEN = {
    "model.embedding": 256,
    "model.hidden": 256,
    "model.latent": 32,
    "model.dropout": 0.5,
    "model.feed": "hidden",
    "model.bias": True,
    "model.init": 0.1,
    "model.init_embedding": 0.1,
    "train.epochs": 40,
    "train.batch_size": 32,
    "train.optimiser": "adam",
    "train.lr": 0.001,
    "train.clip": 5.0,
    "train.lr_schedule": "constant",
    "train.patience": 2,
    "train.halve_from": 15,
    "train.halvings": 5,
    "train.restart_epochs": 10,
    "train.cooldown": 0.5,
    "evaluate.iw_samples": 500,
    "evaluate.bleu": True,
    "evaluate.max_length": 200,
    "preset.fu2019_ptb": {},
    "preset.he2019_yahoo": {
        "model": {
            "embedding": 512, "hidden": 1024, "feed": "cell", "bias": False,
            "init": 0.01, "init_embedding": 0.1,
        },
        "train": {
            "epochs": 100, "optimiser": "sgd", "lr": 1.0, "lr_schedule": "halving", "patience": 2,
        },
    },
    "preset.li2019_ptb": {
        "model": {"feed": "cell", "bias": False, "init": 0.01, "init_embedding": 0.1},
        "train": {
            "epochs": 100, "optimiser": "sgd", "lr": 1.0, "lr_schedule": "halving", "patience": 5,
        },
    },
    "preset.exact_small": {
        "model": {
            "embedding": 32, "hidden": 64, "latent": 8, "dropout": 0.4, "feed": "cell",
            "init": 0.2, "init_embedding": 1.0,
        },
        "train": {"epochs": 10, "batch_size": 64, "lr": 0.004},
        "evaluate": {"iw_samples": 100},
    },
    "preset.exact_learnable": {
        "model": {
            "embedding": 32, "hidden": 64, "latent": 8, "dropout": 0.0, "feed": "cell",
            "init": 0.2, "init_embedding": 1.0,
        },
        "train": {"epochs": 40, "batch_size": 64, "lr": 0.004, "lr_schedule": "cooldown"},
        "evaluate": {"iw_samples": 100},
    },
    "preset.exact": {
        "model": {
            "embedding": 64, "hidden": 128, "latent": 16, "dropout": 0.2, "feed": "cell",
            "init": 0.2, "init_embedding": 1.0,
        },
        "train": {"epochs": 15, "lr": 0.002},
    },
    "baseline.beta.beta": 0.5,
    "baseline.cosine.warmup": 0.25,
    "baseline.aggressive.floor": 0.0,
    "baseline.aggressive.inner": 100,
    "baseline.aggressive.warmup": 0.0,
    "baseline.aggressive.window": 15,
    "baseline.batch_norm_mean.gamma": 0.6,
    "baseline.batch_norm_mean.warmup": 0.0,
    "baseline.cyclical.cycles": 4,
    "baseline.cyclical.floor": 0.0,
    "baseline.cyclical.ratio": 0.5,
    "baseline.cyclical.span": 1.0,
    "baseline.delayed_linear.delay": 0.08,
    "baseline.delayed_linear.floor": 0.0,
    "baseline.delayed_linear.ramp": 0.04,
    "baseline.delta.rate": 0.15,
    "baseline.delta.warmup": 0.0,
    "baseline.dispersed.alpha": 1.0,
    "baseline.dispersed.gamma": 0.5,
    "baseline.dispersed.rate": 0.2,
    "baseline.dispersed.warmup": 0.0,
    "baseline.free_bits.kind": "dimension",
    "baseline.free_bits.target": 8.0,
    "baseline.free_bits.warmup": 0.25,
    "baseline.logistic.warmup": 0.25,
    "baseline.max_pooling.warmup": 0.0,
    "baseline.monotonic.floor": 0.0,
    "baseline.monotonic.warmup": 0.25,
    "baseline.pretrained_free_bits.pretraining": 0.5,
    "baseline.pretrained_free_bits.target": 8.0,
    "baseline.pretrained_free_bits.warmup": 0.05,
    "baseline.word_dropout.rate": 0.5,
    "baseline.word_dropout.warmup": 0.25,
}  # fmt: skip
CHANGED = (
    "a default changed, so old ids would stand for other runs: raise PROTOCOL in "
    "benchmark/run/config.py (for evaluate.*: EVALUATION; for baseline.*: its version), then write "
    "the new values and versions here"
)


def defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    sections = {"model": ModelConfig(), "train": TrainConfig(), "evaluate": EvaluateConfig()}
    methods = {f"baseline.{name}": registry.load(name)() for name in registry.names()}
    for name, settings in {**sections, **methods}.items():
        found |= {f"{name}.{key}": v for key, v in dataclasses.asdict(settings).items()}
    return found | {f"preset.{name}": preset for name, preset in config.PRESETS.items()}


def test_defaults_change_only_with_the_protocol() -> None:
    found = defaults()
    gone = sorted(GOLDEN.keys() - found.keys())
    changed = {k: (v, found[k]) for k, v in GOLDEN.items() if k in found and found[k] != v}
    types = {k for k, v in GOLDEN.items() if k in found and type(found[k]) is not type(v)}
    assert not gone, f"{gone}: {CHANGED}"
    assert not changed, f"{changed}: {CHANGED}"
    assert not types, f"{types}: {CHANGED}"
    versions = {"protocol": config.PROTOCOL, "evaluation": config.EVALUATION}
    assert versions == VERSIONS, "raised: compare GOLDEN with the defaults, then write it here"
    # A new baseline is its author's; a new setting of the protocol belongs in the table.
    own = {name.split(".")[1] for name in GOLDEN if name.startswith("baseline.")}
    new = {
        name
        for name in found.keys() - GOLDEN.keys()
        if not name.startswith("baseline.") or name.split(".")[1] in own
    }
    assert not new, f"{sorted(new)}: new, renames no run; write it into GOLDEN"


def test_the_id_has_the_parts_that_the_readme_tells() -> None:
    run = resolve("ptb", "cyclical", 3)
    data, baseline, seed, digest = run.id.split("-")
    assert (data, baseline, seed) == ("ptb", "cyclical", "3")
    assert digest == run.digest[:8]
    assert set(digest) <= set("0123456789abcdef")


def base(**others: Any) -> RunConfig:
    return tiny.config("cyclical", **others)


def test_labels_presets_and_evaluation_are_no_part_of_the_id() -> None:
    plain = base()
    same = resolve(
        tiny.SPEC,
        "cyclical",
        0,
        params={"cycles": 4},
        preset="exact_small",
        sections={
            "model": dataclasses.asdict(plain.model),
            "train": dataclasses.asdict(plain.train),
            "evaluate": {"iw_samples": 7, "bleu": False},
        },
    )
    assert same.id == plain.id
    assert same.evaluation_digest != plain.evaluation_digest
    shuffled = tiny.SPEC.replace("classes=4,sentences=160", "sentences=160,classes=4")
    assert base(data=shuffled).id == plain.id
    assert base(data=tiny.SPEC + ",seed=2").id == plain.id  # the preset's own value


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"params": {"cycles": 8}},
        {"params": {"ratio": 1.0}},
        {"precision": "bf16"},
        {"data": tiny.SPEC + ",mix=0.2"},
        {"data": tiny.SPEC + ",fresh=true"},
        {"model": {"latent": 4}},
        {"model": {"dropout": 0.0}},
        {"train": {"lr": 1.0}},
        {"train": {"optimiser": "sgd"}},
        {"train": {"epochs": 3}},
    ],
    ids=str,
)
def test_whatever_changes_the_result_changes_the_digest(change: dict[str, Any]) -> None:
    assert base(**change).digest != base().digest
    assert base(**change).id != base().id
    assert base(**change).evaluation_digest == base().evaluation_digest


def test_the_protocol_is_part_of_every_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base()
    first, digest = before.id, before.evaluation_digest
    monkeypatch.setattr(config, "PROTOCOL", config.PROTOCOL + 1)
    assert base().id != first
    assert base().evaluation_digest == digest
    monkeypatch.setattr(config, "EVALUATION", config.EVALUATION + 1)
    assert base().evaluation_digest != digest


@pytest.mark.parametrize(
    "run",
    [
        base(),
        base(seed=5, params={"ratio": 1}, precision="bf16", train={"optimiser": "sgd"}),
        resolve("ptb", "lstm_lm", 0),
        resolve("ptb", "none", 0, preset="fu2019_ptb"),
        resolve("exact_medium", "delayed_linear", 1, params={"delay": 0.25, "ramp": 0.125}),
    ],
    ids=lambda run: run.id,
)
def test_round_trip(run: RunConfig) -> None:
    again = RunConfig.from_dict(run.to_dict())
    assert again == run
    assert (again.id, again.evaluation_digest) == (run.id, run.evaluation_digest)
    assert again.to_dict() == run.to_dict()


def test_the_datas_own_preset_is_the_default() -> None:
    assert resolve("exact_small", "none", 0).model.hidden == 64
    assert resolve("exact_small:mix=0.2", "none", 0).model.feed == "cell"
    plain = resolve("ptb", "none", 0)
    assert (plain.model, plain.train, plain.preset) == (ModelConfig(), TrainConfig(), None)
    below = resolve("exact_small", "none", 0, sections={"model": {"hidden": 5}})
    assert (below.model.hidden, below.model.latent) == (5, 8)
    assert resolve("exact_small", "none", 0, preset="fu2019_ptb").model == ModelConfig()


def test_a_part_of_training_may_be_given_in_epochs() -> None:
    run = resolve("ptb", "monotonic", 0, params={"warmup": "10 epochs"}, preset="li2019_ptb")
    same = resolve("ptb", "monotonic", 0, params={"warmup": 0.1}, preset="li2019_ptb")
    assert run.params["warmup"] == 0.1
    assert run.id == same.id
    half = {"delay": "0.5 epochs", "ramp": "1 epoch"}
    found = tiny.config("delayed_linear", params=half, train={"epochs": 4})
    assert (found.params["delay"], found.params["ramp"]) == (0.125, 0.25)
    with pytest.raises(UserError, match="ten epochs"):
        resolve("ptb", "monotonic", 0, params={"warmup": "ten epochs"})
    with pytest.raises(UserError, match=r"warmup .* must lie between 0 and 1"):
        tiny.config("monotonic", params={"warmup": "3 epochs"})  # of two


@pytest.mark.parametrize("name", config.PRESETS)
def test_presets_hold_settings_of_sections(name: str) -> None:
    assert config.PRESETS[name].keys() <= config.SECTIONS.keys()
    assert resolve("ptb", "none", 0, preset=name).preset == name
