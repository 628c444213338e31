"""Check a file of records before its numbers are shown; an honest file passes.

A finding is *wrong* if it cannot be true: numbers that contradict one another, that their run did
not write, or that were measured by two protocols in one row. The report then exits with status 1. A
finding is a *remark* if it is possible but matters to a reader; it goes below the tables. That code
was never committed is a remark: nobody else can have that code, but whoever develops a method works
in such a tree all day. `tests/tools/origin.py` keeps its records out of the repository.
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.measures import SATURATION
from benchmark.core.records import marked, texts
from benchmark.core.schema import digest, is_done

Line = Mapping[str, Any]
Numbered = Sequence[tuple[int, Line]]

ROUNDING = 1e-3  # nats: sums taken in different orders
ERRORS = 4.0  # standard errors that a sampled number may be off
FEW = 30  # sentences: of fewer, a standard error is itself too uncertain to refuse a record by
# The standard deviation of the coupled estimator of MI is at most this with 3,761 sentences and
# falls as the root of their number. It stands in for records that state no error of their own.
MI_DEVIATION, MI_SENTENCES = 0.04, 3761
NAMED = 3  # how many runs a remark names; it counts the others

# Relations between the numbers of one split; `_values` computes those that no record holds.
EXACT = (
    ("rec + kl", "is", "neg_elbo"),
    ("kl - mi", "is", "marginal_kl"),
    ("mi_cap", "is", "ln N"),
    ("end of iw_curve", "is", "iw_nll"),
    ("ln ppl_elbo", "is", "neg_elbo / tokens"),
    ("ln ppl_iw", "is", "iw_nll / tokens"),
    ("rec", "at least", 0),
    ("kl", "at least", 0),
    ("mi", "at most", "mi_cap"),
    ("mi_batch", "at most", "mi_cap"),
    ("mi_given_length", "at most", "mi_given_length_cap"),
    ("mi_given_length_cap", "at most", "mi_cap"),
    ("au_0.05", "at most", "au"),  # a higher threshold leaves no more units active
    ("au_0.2", "at most", "au_0.05"),
    ("au_0.2", "at most", "au"),
    ("au_0.2", "at least", 0),
    ("bleu", "at most", 100),
    ("ess", "at least", 1),
)
SAMPLED = (  # true in expectation: the left side may be off by its standard errors
    ("iw_nll", "at most", "neg_elbo"),  # more importance samples cannot loosen the bound
    ("mi", "at most", "kl"),
    ("mi_given_length", "at most", "mi"),  # the difference is what z holds of the length
    ("recovered", "at most", "mi"),  # a probe of z finds no more than z knows of the sentence
    ("excess", "at least", 0),  # no model is better than the language itself
)


@dataclass(frozen=True)
class Finding:
    """The result of a check on the record ``id``, or on the whole file if ``id`` is None.

    Attributes:
        id: the run's.
        text: one line.
        wrong: True if it cannot be, False for a remark.
        line: of the file, from 1.
        lacking: how many runs of a row have no record, if that is the remark.
    """

    id: str | None
    text: str
    wrong: bool
    line: int | None = None
    lacking: int = 0

    def message(self, file: Path | str) -> str:
        """Return one line: file, line number, run and reason."""
        place = str(file) if self.line is None else f"{file}:{self.line}"
        return f"{place}: {self.text}" if self.id is None else f"{place}: {self.id}: {self.text}"


def check(lines: Sequence[Line], seeds: Sequence[int] | None = None) -> list[Finding]:
    """Return all findings on a collected file, those on single records first.

    Args:
        lines: all of the file, in its order.
        seeds: those of the study; None takes the seeds that any of the lines has.
    """
    done = [(number, line) for number, line in enumerate(lines, start=1) if is_done(line)]
    findings = []
    for number, line in enumerate(lines, start=1):
        for text in _record(line) if is_done(line) else ():
            findings.append(Finding(line["id"], text, True, number))
        for name, text in texts(line):
            if marked(text):  # the reason of a failure may hold anything
                markup = f"{name}: holds markup: {text!r}"
                findings.append(Finding(line["id"], markup, name != "error", number))
    return [*findings, *_compared(done), *_seeds(lines, seeds), *_origins(done)]


def problems(metrics: Line, tokens: float | None, sentences: int | None) -> list[str]:
    """Return what is wrong with the numbers of one split.

    Args:
        metrics: of the split; ``results/README.md`` explains them.
        tokens: scored tokens per sentence; None if the record does not say.
        sentences: of the split; None likewise.
    """
    values, errors = _values(metrics, tokens, sentences), _errors(metrics)
    few = sentences is not None and sentences < FEW
    texts = []
    for row in EXACT if few else EXACT + SAMPLED:
        left, relation, right = row
        value, error = values.get(left), errors.get(left) if row in SAMPLED else 0.0
        limit = values.get(right) if isinstance(right, str) else right
        if value is None or limit is None or error is None:
            continue
        gap, slack = value - limit, ERRORS * error + ROUNDING
        named = f"{right} {limit:.4f}" if isinstance(right, str) else str(right)
        if relation == "is" and abs(gap) > slack:
            texts.append(f"{left} is {value:.4f}, {named}")
        elif relation == "at most" and gap > slack:
            texts.append(f"{left} {value:.4f} is above {named}")
        elif relation == "at least" and gap < -slack:
            texts.append(f"{left} {value:.4f} is below {named}")
    # The curve is over blocks of the same draws, so that it falls exactly, not in expectation.
    curve = [value for _, value in metrics.get("iw_curve") or []]
    if any(later > earlier + ROUNDING for earlier, later in itertools.pairwise(curve)):
        texts.append(f"iw_curve rises: {', '.join(f'{value:.4f}' for value in curve)}")
    for name in ("iw_curve", "ppl_iw"):
        if metrics.get(name) and metrics.get("iw_nll") is None:
            texts.append(f"{name} without iw_nll")
    return texts


def _values(metrics: Line, tokens: float | None, sentences: int | None) -> dict[str, float | None]:
    """Return the numbers and those computed from them; None for unknown ones."""
    mi, cap, curve = metrics.get("mi"), metrics.get("mi_cap"), metrics.get("iw_curve")
    values = {
        **metrics,
        "rec + kl": metrics["rec"] + metrics["kl"],
        "kl - mi": None if mi is None else metrics["kl"] - mi,
        "ln N": math.log(sentences) if sentences else None,
        "end of iw_curve": curve[-1][1] if curve else None,
    }
    for name, loss in (("ppl_elbo", "neg_elbo"), ("ppl_iw", "iw_nll")):
        ppl, nats = metrics.get(name), metrics.get(loss)
        values[f"ln {name}"] = math.log(ppl) if ppl else None
        values[f"{loss} / tokens"] = nats / tokens if nats is not None and tokens else None
    if mi is not None and cap is not None and mi > cap - SATURATION:
        values["recovered"] = None  # MI is a lower bound there, and bounds nothing
    return values


def _errors(metrics: Line) -> dict[str, float | None]:
    """Return the standard errors of the sampled numbers; None if the record has none."""
    mi, cap, recovered = (metrics.get(name) for name in ("mi_se", "mi_cap", "recovered_se"))
    given = metrics.get("mi_given_length_se")
    if mi is None:
        sentences = MI_SENTENCES if cap is None else math.exp(min(cap, 50.0))  # the cap is ln N
        mi = MI_DEVIATION * math.sqrt(MI_SENTENCES / sentences)
    exact = metrics.get("iw_curve") is None  # the likelihood of a model without a latent
    return {
        "mi": mi,
        "mi_given_length": None if given is None else math.hypot(given, mi),
        "recovered": None if recovered is None else math.hypot(recovered, mi),
        "excess": metrics.get("excess_se"),
        "iw_nll": metrics.get("iw_gap_se") or 0.0 if exact else metrics.get("iw_gap_se"),
    }


def _record(line: Line) -> Iterator[str]:
    """Yield what is wrong with one record."""
    if line.get("digest", digest(line)) != digest(line):
        yield "record: was changed after its run wrote it"
    data, test, spectrum = line["data"], line["metrics"]["test"], line["kl_spectrum"]
    for split in ("valid", "test", "last"):
        metrics = line["metrics"][split]
        measured = "valid" if split == "valid" else "test"
        tokens, sentences = (data.get(f"{measured}_{what}") for what in ("tokens", "sentences"))
        each = tokens / sentences if tokens and sentences else None
        yield from (f"{split}: {text}" for text in problems(metrics, each, sentences))
    if spectrum and abs(sum(spectrum) - test["kl"]) > ROUNDING * max(1.0, test["kl"]):
        yield f"kl_spectrum sums to {sum(spectrum):.4f}, kl of test is {test['kl']:.4f}"
    if spectrum and (test.get("au") or 0) > len(spectrum):
        yield f"test: au {test['au']} is above the {len(spectrum)} dimensions of kl_spectrum"
    # Perplexities a word rest on the number of words: pieces are at least as many.
    words, tokens = data.get("test_words"), data.get("test_tokens")
    if words is not None and tokens is not None and words > tokens:
        yield f"data: {words:,} words cannot make only {tokens:,} tokens"
    elif words not in (None, tokens) and data.get("segmentation", "word") == "word" and tokens:
        yield f"data: {words:,} words but {tokens:,} tokens, although each token is a word"


def _compared(done: Numbered) -> Iterator[Finding]:
    """Yield records that contradict the first one of the same metrics, data or row."""
    first: dict[tuple[object, ...], Line] = {}
    for number, line in done:
        run_id, config, data = line["id"], line["config"], line["data"]
        known = first.setdefault((repr(sorted(line["metrics"]["test"].items())),), line)
        if known is not line:
            # Two names of one method, such as annealing from 1 to 1, or else a copy. Honest runs
            # have the same seed and data, and took their own time.
            alike = config["seed"] == known["config"]["seed"]
            alike &= data["sha256"] == known["data"]["sha256"]
            apart = alike and known["cost"]["seconds"] != line["cost"]["seconds"]
            text = f"test: repeats every number of {known['id']}"
            yield Finding(run_id, text, not apart, number)
        known = first.setdefault(("data", data["sha256"]), line)
        for key in ("vocabulary", "vocabulary_sha256", "test_sentences", "test_tokens"):
            there = known["data"].get(key)
            if key in data and there not in (None, data[key]):  # another library cuts other pieces
                text = (
                    f"data: {key} is {data[key]}, but {there} in {known['id']} with the same data"
                )
                yield Finding(run_id, text, True, number)
        known = first.setdefault((line.get("row"), config["data"], config["precision"]), line)
        different = ", ".join(differences(known, line))
        if different and line.get("row") is not None:
            text = f"config: shares a row with {known['id']}, but {different}"
            yield Finding(run_id, text, True, number)


def differences(known: Line, line: Line) -> Iterator[str]:
    """Yield each difference in the settings and data of two runs, apart from their seeds.

    A setting that one record does not name is younger than that record, whose run had its default.
    A preset is only where settings come from; they are all in the record.
    """
    for key in sorted(known["config"].keys() | line["config"].keys()):
        there, here = known["config"].get(key), line["config"].get(key)
        if key in ("seed", "preset") or here == there:
            continue
        if isinstance(here, dict) and isinstance(there, dict):
            for name in sorted(here.keys() & there.keys()):
                if here[name] != there[name]:
                    yield f"{key}.{name} is {here[name]} against {there[name]}"
        else:
            yield f"{key} is {here} against {there}"
    if line["data"]["sha256"] != known["data"]["sha256"]:
        yield "the data differ"


def _seeds(lines: Sequence[Line], seeds: Sequence[int] | None) -> Iterator[Finding]:
    """Yield rows with fewer runs than the study states; an interval over fewer says less."""
    named = [line for line in lines if line.get("row") is not None]
    wanted = sorted({line["config"]["seed"] for line in named} if seeds is None else set(seeds))
    rows: dict[tuple[object, object], list[Line]] = defaultdict(list)
    for line in named:
        rows[line["row"], line["config"]["data"]].append(line)
    for (row, data), runs in sorted(rows.items(), key=lambda item: str(item[0])):
        there = {line["config"]["seed"] for line in runs if is_done(line)}
        lacking = [seed for seed in wanted if seed not in there]
        if lacking:
            text = f"{runs[-1].get('label', row)} on {data}: {len(wanted) - len(lacking)} of "
            text += f"{len(wanted)} seeds; without a record: {_listed(lacking, 10)}"
            yield Finding(None, text, False, lacking=len(lacking))


def _origins(done: Numbered) -> Iterator[Finding]:
    """Yield remarks on the code and the machines that made the numbers."""
    origins = [(number, line["id"], line["provenance"]) for number, line in done]
    versions = Counter(
        f"commit {str(origin['commit'] or 'none')[:12]} (code {origin['code_sha256'][:12]})"
        for _, _, origin in origins
    )
    if len({version.split()[-1] for version in versions}) > 1:  # equal code has equal numbers
        counted = sorted(versions.items(), key=lambda item: (-item[1], item[0]))
        listed = ", ".join(f"{count} of {version}" for version, count in counted)
        yield Finding(None, f"records of several versions of the code: {listed}", False)
    for number, run_id, origin in origins:
        later = set(origin.get("code_sha256_resumed", [])) - {origin["code_sha256"]}
        if later:
            codes = ", ".join(sorted(code[:12] for code in later))
            text = f"provenance: began with code {origin['code_sha256'][:12]}, resumed with {codes}"
            yield Finding(run_id, text, False, number)
    dirty = [run_id for _, run_id, origin in origins if origin["dirty"]]
    unnamed = [run_id for _, run_id, origin in origins if origin["commit"] is None]
    remarks = {"of code that was not committed": dirty, "that name no commit": unnamed}
    for what, ids in remarks.items():
        if ids:
            yield Finding(None, f"{len(ids)} records {what}: {_listed(ids, NAMED)}", False)
    machines = Counter(
        f"torch {line['provenance']['torch']} on {line['cost']['device']}" for _, line in done
    )
    if len(machines) > 1:  # equal settings have equal numbers on one kind of machine only
        listed = ", ".join(f"{count} of {kind}" for kind, count in sorted(machines.items()))
        yield Finding(None, f"records of several machines: {listed}", False)


def _listed(names: Sequence[object], most: int) -> str:
    """Return the first names, and the number of the others, as text."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
