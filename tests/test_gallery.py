"""The gallery shows what the records hold, of one seed a row, and nothing where they hold none."""

from pathlib import Path
from typing import Any

from made_up import record

from benchmark import records
from benchmark.report.gallery import gallery

RESULTS = Path(__file__).parent.parent / "results"


def line(label: str, row: int, seed: int, **more: Any) -> dict[str, Any]:
    found = record(f"exact_small-{label}-{seed}-0123abcd")
    return found | {"label": label, "row": row, "status": "done"} | more


def samples(word: str) -> dict[str, Any]:
    return {
        "split": "test", "seed": 0, "decoding": "greedy", "max_length": 20,
        "reconstructions": [
            {"sentence": n, "text": f"{word} {n}", "mean": f"mean {n}", "sample": f"sample {n}"}
            for n in range(3)
        ],
        "prior": [f"{word} prior {n}" for n in range(3)],
        "interpolations": [{"sentences": [0, 1], "from": "a", "to": "b", "steps": ["a", "c", "b"]}],
    }  # fmt: skip


def test_one_seed_a_row_with_its_first_texts() -> None:
    lines = [
        line("late", 1, 1, samples=samples("later seed")),
        line("late", 1, 0, samples=samples("first seed")),
        line("early", 0, 0),
        line("early", 0, 1, samples=samples("<b>&")),
    ]
    first, second = gallery(lines)
    assert (first.label, first.seed, second.label, second.seed) == ("early", 1, "late", 0)
    assert [one.text for one in first.reconstructions] == ["<b>& 0", "<b>& 1"]
    assert (first.reconstructions[1].mean, first.reconstructions[1].sample) == (
        "mean 1",
        "sample 1",
    )
    assert second.prior == ("first seed prior 0", "first seed prior 1")
    assert second.interpolation is not None
    assert (second.interpolation.start, second.interpolation.end) == ("a", "b")
    assert second.interpolation.steps == ("a", "c", "b")
    assert second.group == "exact_small"


def test_a_language_model_has_samples_from_the_prior_alone() -> None:
    alone = {"split": "test", "seed": 0, "decoding": "sampled", "max_length": 20, "prior": ["a b"]}
    (shown,) = gallery([line("lstm_lm", 0, 0, samples=alone)])
    assert (shown.decoding, shown.prior) == ("sampled", ("a b",))
    assert shown.reconstructions == ()
    assert shown.interpolation is None


def test_without_texts_there_is_nothing_to_show() -> None:
    missing = {
        "schema": 1, "id": "exact_small-a-0-0123abcd", "status": "missing", "label": "a", "row": 0,
        "config": {"data": "exact_small", "seed": 0},
    }  # fmt: skip
    assert gallery([]) == []
    assert gallery([missing, line("b", 1, 0)]) == []
    assert gallery(records.read_jsonl(RESULTS / "ptb_check.jsonl")) == []


def test_the_committed_studies_show_every_row_that_has_texts() -> None:
    lines = records.read_jsonl(RESULTS / "confound_exact.jsonl")
    shown = gallery(lines)
    assert {one.label for one in shown} == {line["label"] for line in lines}
    by_id = {line["id"]: line["samples"] for line in lines}
    for one in shown:
        assert list(one.prior) == by_id[one.id]["prior"][:2]
        assert one.seed == 0
