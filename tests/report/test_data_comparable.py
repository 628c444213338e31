"""Which records share a table, and what is said where they do not."""

import math
from typing import Any

import pytest
from made_up import markdown, missing, record

from benchmark.core import consistency
from benchmark.report import tables
from benchmark.report.grouping import groups

SENTENCES, WORDS, PIECES = 3761, 82430, 108464
CODED = "ptb:size=4000,vocabulary=sentencepiece"


def line(data: str = "ptb", label: str = "none", seed: int = 0, **told: Any) -> dict[str, Any]:
    """A collected line; its data's ``told`` are those of new records, its numbers are its own."""
    metrics = {"iw_nll": told.pop("iw_nll", 101.0), "bleu": len(data) + seed / 10}
    found = record(f"x-{label}-{seed}-0123abcd", **metrics)
    found["id"] = f"{data}-{label}-{seed}-0123abcd"
    found["config"] |= {"data": data, "precision": told.pop("precision", "fp32")}
    found["data"] |= {"name": data, "sha256": f"of {data}", "text_sha256": "t" * 64}
    found["data"] |= {"segmentation": "word", "test_words": WORDS, "lossless": {"test": True}}
    found["data"] |= told
    return found | {"label": label, "row": 0, "status": "done"}


def pieces(**told: Any) -> dict[str, Any]:
    """The same text in pieces, its perplexities counted by piece as records do."""
    found = line(CODED, **{"segmentation": "sentencepiece", "test_tokens": PIECES, **told})
    test = found["metrics"]["test"]
    for name, of in (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll")):
        test[name] = math.exp(test[of] * SENTENCES / PIECES)
    return found


def titles(text: str) -> list[str]:
    """Of the main tables."""
    found = [row[3:] for row in text.splitlines() if row.startswith("## ")]
    return [title for title in found if ": " not in title]


def rows(text: str) -> dict[str, list[str]]:
    """Cells of every row of every table, by its first."""
    main = text.partition(": chosen and last step\n")[0].partition(": differences to")[0]
    found = [row.strip("|").split("|") for row in main.splitlines() if row.startswith("| ")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in found}


def test_words_and_pieces_have_tables_of_their_own_with_perplexities_of_words() -> None:
    lines = [line(), pieces(), line(label="a", iw_nll=100.5), pieces(label="a", iw_nll=100.9)]
    for one in lines:
        one |= {"row": int(one["label"] == "a")}
        one["config"]["baseline"] = one["label"]
    assert consistency.check(lines[:2]) == []
    text = markdown("study", lines)
    assert titles(text) == ["ptb", CODED]
    words, coded = text.split(f"## {CODED}\n")
    head = rows(words)["baseline"]
    assert rows(words)["none"][head.index("PPL (IW)")] == "100.34"  # as its record says
    found = rows(coded)["none"]
    assert found[head.index("PPL (ELBO)")] == f"{math.exp(101.5 * SENTENCES / WORDS):.2f}"
    assert found[head.index("PPL (IW)")] == f"{math.exp(101 * SENTENCES / WORDS):.2f}"
    assert "given per word" in coded
    assert "given per word" not in words
    for part in (words, coded):
        assert f"{SENTENCES:,} test sentences of 21.92" in part
        assert "compare with no other coding's" not in part
    paired = [table for table in tables.build(groups(lines)) if table.kind == "paired"]
    cells = [table.rows[0].cells[table.columns.index("IW-NLL")].text for table in paired]
    assert cells == ["−0.50", "−0.10"]  # within a coding


def test_a_coding_that_loses_words_says_so() -> None:
    short = line("ptb:size=9", lossless={"train": False, "test": False})
    one, two = markdown("study", [line(), short]).split("## ptb:size=9\n")
    assert "compare with no other coding's" in two
    assert "compare with no other coding's" not in one
    some = line("ptb:size=9", lossless={"train": False, "valid": False, "test": True})
    assert "compare with no other" not in markdown("study", [some])  # the test split loses none


def test_precisions_data_sets_and_texts_of_one_name_never_share_a_table() -> None:
    lines = [line(), line(precision="bf16", seed=1), line("yahoo"), line("exact:mix=0.2")]
    found = titles(markdown("study", lines))
    assert sorted(found) == ["exact:mix=0.2", "ptb, bf16", "ptb, fp32", "yahoo"]
    texts = [line("text:news", seed=i, sha256=sign * 64) for i, sign in enumerate("tu")]
    found = titles(markdown("study", texts))
    assert sorted(found) == ["text:news, text tttttttt", "text:news, text uuuuuuuu"]


def test_estimators_never_share_a_table() -> None:
    few, many = line(), line(seed=1)
    for one, samples in ((few, 50), (many, 500)):
        one["config"]["evaluate"] = {"iw_samples": samples}
    text = markdown("study", [few, many])
    assert sorted(titles(text)) == ["ptb, evaluation by default", "ptb, iw_samples 50"]
    one, two = text.split("## ptb, evaluation by default\n")
    assert "IW-NLL by 50 importance samples." in one
    assert "IW-NLL by 500 importance samples." in two


def test_records_of_before_these_keys_are_words_that_lose_nothing() -> None:
    old = line()
    for key in ("text_sha256", "segmentation", "test_words", "lossless"):
        del old["data"][key]
    text = markdown("study", [old, line(seed=1)])
    assert titles(text) == ["ptb"]
    assert "coding" not in text


def test_a_run_without_a_record_stands_with_its_data_set() -> None:
    absent = missing("late", 1)
    text = markdown("study", [absent, line(precision="bf16")])
    assert titles(text) == ["ptb"]
    assert "late [1]" in rows(text)
    text = markdown("study", [absent, pieces()])
    assert sorted(titles(text)) == ["ptb", CODED]
    assert "of another" not in text.lower()


def test_a_run_without_a_record_stands_with_its_row_and_precision() -> None:
    full, low = line(), line(precision="bf16") | {"id": "low", "label": "low", "row": 1}
    low["config"]["seed"] = 1
    absent, late = missing("low", 1), missing("late", 2, precision="bf16")
    above, below = markdown("study", [full, absent, low, late]).split("## ptb, bf16\n")
    assert "without a record" not in above
    assert "1. 1 of 2 runs without a record (1 missing)." in below
    assert "2. 1 of 1 runs without a record (1 missing)." in below


def test_runs_without_a_record_of_one_precision_stand_apart_from_the_other() -> None:
    text = markdown("study", [line(), missing("late", 1, precision="bf16")])
    assert titles(text) == ["ptb, fp32", "ptb, bf16"]
    above, below = text.split("## ptb, bf16\n")
    assert "late" not in rows(above)
    assert "none" not in rows(below)
    assert set(rows(below)["late [1]"]) == {"–"}
    assert above.count("another precision") == below.count("another precision") == 1


def test_pieces_of_another_library_are_named() -> None:
    one, two = pieces(vocabulary_sha256="a"), pieces(vocabulary_sha256="b")
    two |= {"id": "two"}
    two["metrics"]["test"]["bleu"] = 9.0
    found = consistency.check([one, two])
    told = f"data: vocabulary_sha256 is b, but a in {one['id']} with the same data"
    assert [(one.id, one.text) for one in found] == [("two", told)]


def test_languages_that_differ_in_their_seed_alone_are_paired_by_language() -> None:
    """Ten languages, one run each: a table of one row a method, whose n counts languages."""
    lines = []
    for row, (label, gain) in enumerate((("none", 0.0), ("cyclical", 0.5))):
        for language in range(1, 11):
            name = f"exact_small:mix=0.25,seed={language}"
            nll = 101.0 + language  # languages differ by more than methods do
            one = line(name, label=label, iw_nll=nll - gain - language / 100)
            one |= {"row": row, "id": f"{label}-{language}"}
            one["config"] |= {"baseline": label, "seed": 0}
            one["data"] |= {"sha256": f"{language}", "text_sha256": f"{language}"}
            lines.append(one)
    found = tables.build(groups(lines))
    assert found[0].title == "exact_small:mix=0.25, languages"
    difference = found[1].rows[0].cells[found[1].columns.index("IW-NLL")]
    assert (difference.n, difference.value) == (10, pytest.approx(-0.5))
    assert "paired by language" in " ".join(found[0].notes)
    lines[3] |= {"id": "twice"}
    twice = lines[3] | {"id": "again", "config": lines[3]["config"] | {"seed": 1}}
    assert (
        len(
            {table.title for table in tables.build(groups([*lines, twice])) if table.kind == "main"}
        )
        == 10
    )
