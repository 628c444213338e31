"""What `make demo` says of its records beside the committed ones."""

import copy
from pathlib import Path

from same_bits import told

from benchmark.core.records import read_jsonl

FILE = Path(__file__).parents[2] / "results" / "quickstart.jsonl"
COMMITTED = read_jsonl(FILE)
HERE = [line for line in COMMITTED if line["config"]["seed"] == 0]


def test_equal_records_are_equal_whenever_and_by_whomever_they_were_made() -> None:
    here = copy.deepcopy(HERE)
    for line in here:
        line["cost"]["seconds"] += 1.0
        line["provenance"]["commit"] = "0" * 40
        line["provenance"]["python"] = "3.12"
    text = told(here, COMMITTED, "results/quickstart.jsonl")
    start = "Records: all 6 equal the committed ones of results/quickstart.jsonl bit for bit ("
    assert text.startswith(start)
    assert int(text.removeprefix(start).split()[0].replace(",", "")) > 1000
    assert text.endswith(" numbers).")


def test_on_another_processor_the_largest_difference_is_told() -> None:
    here = copy.deepcopy(HERE)
    for line in here:
        line["provenance"]["cpu"] = "AVX512"
    cyclical = next(line for line in here if line["label"] == "cyclical")
    cyclical["metrics"]["test"]["iw_nll"] += 0.015625
    text = told(here, COMMITTED, "results/quickstart.jsonl")
    assert text.startswith("Records: 5 of 6 equal the committed ones")
    assert "Equal bits are not expected here (cpu AVX2, here AVX512)." in text
    assert "Largest difference: 0.016 nats (IW-NLL of cyclical)." in text
    inside, tested = text[text.index("(IW-NLL") :].split(". ")[1].split()[0:3:2]
    assert inside == tested
    cyclical["metrics"]["test"]["iw_nll"] += 5.0  # no seed of the row is that far away
    text = told(here, COMMITTED, "results/quickstart.jsonl")
    assert f"{int(inside) - 1} of {tested} numbers" in text


def test_one_changed_bit_of_a_curve_on_the_same_machine_is_asked_about() -> None:
    here = copy.deepcopy(HERE)
    here[0]["curve"][0]["kl"] += 2.0**-40
    text = told(here, COMMITTED, "r")
    assert text.startswith("Records: 5 of 6 equal the committed ones of r bit for bit. Torch, ")


def test_runs_that_are_not_there_are_not_compared() -> None:
    assert told(HERE, [], "r") == "Records: r holds none of these runs, so nothing is compared."
    text = told(HERE, [one for one in COMMITTED if one["label"] != "none"], "r")
    assert "all 5 equal" in text
    assert text.endswith("1 more is not in that file.")
