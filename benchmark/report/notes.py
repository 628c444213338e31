"""What a reader must know before comparing the rows of a table."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.core.records import is_done
from benchmark.run.presets import CAVEATS

Record = dict[str, Any]


def notes(lines: Sequence[Record]) -> list[str]:
    """On the split, its estimators, the truth, the preset, and settings in which rows differ."""
    done = [line for line in lines if is_done(line)]
    return [*_split(done), *_truth(done), *caveats(done)]


def caveats(lines: Sequence[Record]) -> list[str]:
    """What forbids or weakens a comparison of rows: of preset, records, settings and devices."""
    done = [line for line in lines if is_done(line)]
    presets = dict.fromkeys(line["config"].get("preset") for line in done)
    known = [CAVEATS[name] for name in presets if name in CAVEATS]
    return [*known, *_older(done), *_settings(done), *_devices(done)]


def _split(done: Sequence[Record]) -> Iterator[str]:
    """How large the test split is, and with it the largest MI that can be seen; IW's samples."""
    for line in done:
        data = line["data"]
        size, tokens = data.get("test_sentences"), data.get("test_words", data.get("test_tokens"))
        unit = "words" if data.get("segmentation") == "sentencepiece" else "tokens"
        samples = line["config"].get("evaluate", {}).get("iw_samples")
        if size and tokens:
            length = f"{tokens / size:.3f}"
            if str(line["config"]["data"]).endswith(", languages"):  # each has its own
                lengths = [one["data"]["test_tokens"] / size for one in done]
                length = f"{min(lengths):.1f} to {max(lengths):.1f}"
            told = f"N = {size:,} test sentences of {length} {unit}; MI can show at " \
                   f"most ln N = {math.log(size):.2f} nats."  # fmt: skip
            yield told + (f" IW-NLL by {samples} importance samples." if samples else "")
            return


def _truth(done: Sequence[Record]) -> Iterator[str]:
    """The exact language's entropy and I(x; c) with their Monte Carlo errors."""
    for figures in (line["data"] for line in done):
        if figures.get("entropy") is None:
            continue
        entropy = f"{figures['entropy']:.3f} ± {figures['entropy_se']:.3f}"
        information = f"{figures['information']:.3f} ± {figures['information_se']:.3f}"
        yield (
            f"True entropy {entropy} nats per sentence; I(x; c) {information} nats "
            "(± one Monte Carlo standard error). `excess`: IW-NLL above the truth on the same "
            "sentences; `recovered`: nats of the class that a linear probe reads from samples of z."
        )
        return


def _older(done: Sequence[Record]) -> Iterator[str]:
    """Records whose z_use is another quantity, and whose errors are not known."""
    older = [line for line in done if line.get("evaluation", 1) < 2]
    if older:
        drawn = all("entropy" in line["data"] for line in older)  # sentences without an order
        low = "" if drawn else ", often one of the same article, so that it is too low"
        yield (
            f"{len(older)} of {len(done)} records were measured before evaluation 2. Their z_use, "
            f"in a column of its own, takes the next sentence of equal length in the file{low}. "
            "They hold no standard errors of MI and z_use, so the state of their latent is decided "
            "by the values alone."
        )


def _settings(done: Sequence[Record]) -> Iterator[str]:
    """Settings of the network and of training that are not those of most rows.

    A setting that some record does not have, being older, is left out.
    """
    rows: dict[str, dict[str, Any]] = {}
    for line in done:
        of = line["config"]
        rows[line["label"]] = {**of["model"], **of["train"]}
    shared = [
        key for key in next(iter(rows.values()), {}) if all(key in row for row in rows.values())
    ]
    usual = {
        key: Counter(repr(row[key]) for row in rows.values()).most_common(1)[0][0] for key in shared
    }
    told = []
    for label, row in rows.items():
        other = [f"{key} {row[key]} (others {usual[key].strip(chr(39))})"
                 for key in shared if repr(row[key]) != usual[key]]  # fmt: skip
        if other:
            told.append(f"{label}: {', '.join(other)}")
    if told:
        yield f"Rows differ in settings too, not in the method alone: {'; '.join(told)}."


def _devices(done: Sequence[Record]) -> Iterator[str]:
    """Hours of several devices do not compare."""
    devices = sorted({str(line["cost"]["device"]) for line in done})
    if len(devices) > 1:
        yield f"Hours were measured on several devices ({', '.join(devices)}): they do not compare."
