"""Settings that are refused, each in one clear line."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from test_config import base

from benchmark.core.errors import UserError
from benchmark.core.settings import ModelConfig, TrainConfig
from benchmark.run.config import RunConfig, resolve


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": {"cycels": 4}}, "cyclical.cycels: unknown key; did you mean 'cycles'?"),
        ({"params": {"cycles": True}}, "here: baseline.cyclical.cycles: True should be"),
        ({"params": {"cycles": 4.0}}, "baseline.cyclical.cycles: 4.0 should be a valid integer"),
        ({"params": {"cycles": 0}}, "baseline.cyclical: cycles must be at least 1"),
        ({"params": {"ratio": "half"}}, "baseline.cyclical.ratio: 'half' should be a valid number"),
        ({"params": {"ratio": True}}, "ratio: True should be a valid number"),
        ({"params": {"ratio": float("nan")}}, "ratio: nan should be a finite number"),
        ({"params": {"version": 2}}, "version: unknown key"),
        ({"params": {"epochs": 3}}, "cyclical.epochs: unknown key; did you mean 'train.epochs'?"),
        ({"baseline": "none", "params": {"x": 3}}, "none.x: unknown key; there are none"),
        ({"baseline": "monotonic", "params": {"warmup": 10}},
         'between 0 and 1; for a number of epochs write warmup = "10 epochs"'),
        ({"sections": {"modell": {}}}, "here: modell: unknown key; did you mean 'model'?"),
        ({"sections": {"model": {"hiden": 8}}}, "model.hiden: unknown key; did you mean 'hidden'?"),
        ({"sections": {"model": {"epochs": 8}}}, "unknown key; did you mean 'train.epochs'?"),
        ({"sections": {"model": {"hidden": "8"}}}, "model.hidden: '8' should be a valid integer"),
        ({"sections": {"model": {"bias": 1}}}, "1 should be a valid boolean; write true or false"),
        ({"sections": {"model": {"latent": 0}}}, "latent: 0 should be greater than or equal to 1"),
        ({"sections": {"model": {"dropout": 1.0}}}, "model.dropout: 1.0 should be less than 1"),
        ({"sections": {"model": {"init": 0}}}, "model.init: 0 should be greater than 0"),
        ({"sections": {"model": {"feed": "cel"}}}, "model.feed: 'cel'; did you mean 'cell'?"),
        ({"sections": {"model": 3}}, "here: model: 3 is not a table"),
        ({"sections": {"train": {"optimiser": "adm"}}}, "did you mean 'adam'?"),
        ({"sections": {"train": {"lr": 0.0}}}, "train.lr: 0.0 should be greater than 0"),
        ({"sections": {"train": {"lr": float("inf")}}}, "train.lr: inf should be a finite number"),
        ({"sections": {"train": {"epochs": 0}}}, "epochs: 0 should be greater than or equal to 1"),
        ({"sections": {"train": {"epochs": 1.5}}}, "train.epochs: 1.5 should be a valid integer"),
        ({"sections": {"train": {"halve_from": -1}}}, "halve_from: -1 should be greater than or"),
        ({"sections": {"train": {"cooldown": 0}}}, "train.cooldown: 0 should be greater than 0"),
        ({"sections": {"evaluate": {"iw_samples": 0}}}, "evaluate.iw_samples: 0 should be greater"),
        ({"data": "exact_smal"}, "here: data: exact_smal: unknown data set; did you mean"),
        ({"data": "exact_small:mx=1"}, "mx: unknown key; did you mean 'mix'?"),
        ({"data": "ptb:mix=1"}, "mix: unknown key; choose one of "),
        ({"baseline": "cyclicl"}, "here: baseline 'cyclicl': unknown; did you mean 'cyclical'?"),
        ({"preset": "fu2019"}, "here: preset: 'fu2019': unknown; did you mean 'fu2019_ptb'?"),
        ({"precision": "fp16"}, "here: precision: 'fp16'; did you mean 'bf16'?"),
        ({"precision": ["fp32"]}, "here: precision: ['fp32']; did you mean 'fp32'?"),
        ({"seed": -1}, "here: seed: -1 should be greater than or equal to 0"),
        ({"seed": True}, "here: seed: True should be a valid integer"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_settings_are_one_clear_line(change: dict[str, Any], message: str) -> None:
    arguments = {"data": "exact_small", "baseline": "cyclical", "seed": 0, "where": "here"}
    with pytest.raises(UserError) as caught:
        resolve(**{**arguments, **change})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    sections = {"model": {"hiden": 3, "latent": 0}, "train": {"epochs": "3"}}
    with pytest.raises(UserError) as caught:
        resolve("exact_small", "cyclical", 0, {"cycels": 4, "ratio": "x"}, sections=sections)
    assert str(caught.value).splitlines() == [
        "command line: model.latent: 0 should be greater than or equal to 1",
        "command line: model.hiden: unknown key; did you mean 'hidden'?",
        "command line: train.epochs: '3' should be a valid integer",
        "command line: baseline.cyclical.ratio: 'x' should be a valid number",
        "command line: baseline.cyclical.cycels: unknown key; did you mean 'cycles'?",
    ]


def test_a_folder_whose_name_is_no_utf8_is_a_data_set(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"t\xff")
    with pytest.raises(UserError, match=r"command line: data: .*t\\udcff: there is no"):
        resolve(f"text:{folder}", "none", 0)
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.txt").write_text("a b c\n")
    assert resolve(f"text:{folder}", "none", 0).data == f"text:{folder}"


def test_a_section_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="latent"):
        ModelConfig(latent=0)
    with pytest.raises(ValueError, match="lr"):
        dataclasses.replace(TrainConfig(), lr=-1.0)


def test_a_whole_number_may_stand_for_a_float() -> None:
    run = base(params={"ratio": 1})
    assert type(run.params["ratio"]) is float
    assert run.id == base(params={"ratio": 1.0}).id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": ...}, "config.json: data: missing"),
        ({"seed": ...}, "config.json: seed: missing"),
        ({"baseline": 3}, "config.json: baseline: 3 should be an instance of str"),
        ({"data": None}, "config.json: data: None should be an instance of str"),
        ({"params": [1]}, "config.json: baseline.cyclical: [1] is not a table"),
        ({"train": "sgd"}, "config.json: train: 'sgd' is not a table"),
        ({"labl": "x"}, "config.json: labl: unknown key"),
    ],
    ids=str,
)
def test_an_altered_config_file_is_one_clear_line(change: dict[str, Any], message: str) -> None:
    table = {**base().to_dict(), **change}
    table = {key: value for key, value in table.items() if value is not ...}
    with pytest.raises(UserError) as caught:
        RunConfig.from_dict(table, "config.json")
    assert message in str(caught.value)
