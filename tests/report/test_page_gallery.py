"""What the page shows of the texts that models wrote: of one seed a row, if any are on record."""

from pathlib import Path
from typing import Any

from made_up import line, missing
from test_page import Elements, words

from benchmark.core.records import read_jsonl
from benchmark.report.page import page

RESULTS = Path(__file__).parents[2] / "results"


def samples(word: str) -> dict[str, Any]:
    reconstructions = [
        {"sentence": n, "text": f"{word} {n}", "mean": f"mean {n}", "sample": f"sample {n}"}
        for n in range(3)
    ]
    return words(word) | {
        "reconstructions": reconstructions, "prior": [f"{word} prior {n}" for n in range(3)],
    }  # fmt: skip


def section(lines: list[dict[str, Any]]) -> str:
    """The gallery of a page; nothing where it has none."""
    _, opened, rest = page("s", [], lines, {}, []).partition('<section id="gallery">')
    return opened + rest.partition("</section>")[0] if opened else ""


def read(text: str) -> list[str]:
    """What a reader sees, from top to bottom."""
    texts = Elements(text.replace("<wbr>", "") + "</section>" * bool(text)).texts
    return [text for text in texts if text.strip()]


def test_one_seed_a_row_with_its_first_texts() -> None:
    told = read(section([
        line("late", 1, 1) | {"samples": samples("later seed")},
        line("late", 1, 0) | {"samples": samples("first seed")},
        line("early", 0, 0),
        line("early", 0, 1) | {"samples": samples("<b>&")},
    ]))  # fmt: skip
    shown = [text for text in told if text.endswith((" 0", " 1", " 2"))]
    rows = ["early, seed 1", "late, seed 0"]
    texts = [[f"mean {n}", f"sample {n}"] for n in range(2)]
    assert shown == [
        "<b>& 0", rows[0], *texts[0], "<b>& 1", rows[0], *texts[1],
        "first seed 0", rows[1], *texts[0], "first seed 1", rows[1], *texts[1],
        rows[0], "<b>& prior 0", "<b>& prior 1", rows[1], "first seed prior 0",
        "first seed prior 1", *rows,
    ]  # fmt: skip
    assert told.count("From ") == told.count("to ") == 2  # between two sentences
    assert not any("later seed" in text for text in told)


def test_texts_of_one_sentence_stand_side_by_side() -> None:
    lines = [line(label, row, 0) | {"samples": words("w01 w02")} for row, label in enumerate("ab")]
    lines[1]["samples"]["reconstructions"][0] |= {"mean": "w03", "sample": "w04"}
    told = section(lines)
    assert told.count("<h4>Reconstructions of <code>w01 w02</code></h4>") == 1
    assert read(told).index("w03") < read(told).index("w04")


def test_a_language_model_has_samples_from_the_prior_alone() -> None:
    alone = {"split": "test", "seed": 0, "decoding": "sampled", "max_length": 20, "prior": ["a b"]}
    told = section([line("lstm_lm", 0, 0) | {"samples": alone}])
    assert "<h4>From the prior</h4>" in told
    assert "a b" in read(told)
    assert "Reconstructions" not in told
    assert "Between" not in told


def test_without_texts_there_is_nothing_to_show() -> None:
    assert section([]) == section([missing("a", 0), line("b", 1, 0)]) == ""
    assert section(read_jsonl(RESULTS / "ptb_check.jsonl")) == ""


def test_the_committed_studies_show_every_row_that_has_texts() -> None:
    lines = read_jsonl(RESULTS / "confound_exact.jsonl")
    told = read(section(lines))
    for one in lines:
        first = one["config"]["seed"] == 0
        assert (f"{one['label']}, seed {one['config']['seed']}" in told) == first
        assert not first or set(one["samples"]["prior"][:2]) <= set(told)
