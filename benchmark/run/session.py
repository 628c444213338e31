"""One run from its config to its record: folder, claim, resume, train, evaluate, write.

``<runs>/<id>/`` holds config.json, a copy of an outside baseline, log.jsonl, progress.json,
checkpoint.pt while it trains, evaluation/ while it is measured, best.pt, sentences.npz, and at the
very end record.json, which alone means done.
"""

import io
import json
import shutil
import signal
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmark import data as corpora
from benchmark import metrics
from benchmark.core import records, sentences, signals
from benchmark.core.errors import UserError
from benchmark.core.files import sha256_bytes, write_atomic
from benchmark.data.corpus import Corpus
from benchmark.model.device import prepare_device
from benchmark.model.lowprecision import has_bf16
from benchmark.run import blame, checkpoint, contract, failures
from benchmark.run.claims import claim
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import Parts, evaluate, recovery
from benchmark.run.leftovers import clear_finished, clear_temporary
from benchmark.run.progress import Progress
from benchmark.run.result import assemble
from benchmark.run.samples import recorded
from benchmark.run.training import Training

Keep = Literal["none", "best", "all"]
COPY = "baseline.py"  # of a baseline's file outside the checkout


class Interrupted(Exception):
    """A signal asked the run to stop; its checkpoint is written. Exit status 75."""


def run(
    config: RunConfig,
    runs: Path,
    data: Path,
    device: str = "cpu",
    progress: bool = True,
    keep: Keep = "best",
    checkpoint_seconds: float = 60.0,
    threads: int = 1,
) -> dict[str, Any]:
    """Train and evaluate one run, from wherever an earlier process left it.

    Args:
        config: the run.
        runs: the folder of all runs.
        data: the folder of prepared data.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        progress: draw a bar on a terminal; elsewhere print a line an epoch.
        keep: which weights stay when the record is written.
        checkpoint_seconds: between two checkpoints.
        threads: of torch on the CPU; part of what makes a result reproducible to the bit.

    Returns:
        The record.

    Raises:
        UserError: bad input, a record that exists, no sacrebleu for BLEU, no such device, a method
            that breaks its contract or raises, a damaged checkpoint, a loss not finite.
        Interrupted: SIGTERM, SIGUSR1, SIGINT or SIGHUP came; call again to go on.
    """
    folder = runs / config.id
    refuse_done(folder)
    if config.evaluate.bleu and config.method().latent:
        metrics.scorer()  # before hours of training, not after
    place = prepare_device(device, threads, config.precision)
    if progress and config.precision == "bf16" and place.type == "cpu" and not has_bf16():
        print(
            "pcbench: warning: this processor has no bf16 arithmetic: numbers are rounded to bf16 "
            "and multiplied in fp32, no faster than fp32 itself",
            file=sys.stderr,
        )
    corpus = corpora.load(config.data, data)
    contract.check(config, corpus, place)
    asked: list[int] = []
    with claim(folder), signals.noted(asked):
        clear_temporary(folder)
        _keep_settings(config, folder)
        session = _Session(config, corpus, folder, place, asked, checkpoint_seconds)
        session.progress = Progress(folder, config.id, progress)
        try:
            with blame.blamed(config):
                record = session.work(keep)
        except Interrupted:
            raise
        except Exception as error:
            failures.add(folder, " ".join(str(error).split()))
            raise
        finally:
            session.progress.close()
    clear_finished(folder)
    return record


def _keep_settings(config: RunConfig, folder: Path) -> None:
    """Leave what `load_run` needs, called anywhere: a copy of an outside baseline's file too."""
    table = config.to_dict() | {"data": corpora.absolute(config.data)}
    if config.file is not None:
        source = Path(config.file).read_bytes()
        if sha256_bytes(source) != config.file_sha256:
            raise UserError(f"{config.file}: changed while the run began; start it again")
        write_atomic(folder / COPY, source)
        table["file"] = COPY
    write_atomic(folder / "config.json", _json(table))


def refuse_done(folder: Path) -> None:
    """Raise UserError if the run has a record; it is never written over."""
    if (folder / "record.json").exists():
        clear_finished(folder)
        raise UserError(
            f"{folder / 'record.json'}: a record exists already and is kept; to run it again "
            "choose another --runs folder"
        )


class _Session:
    """One process's work on a run."""

    progress: Progress

    def __init__(
        self,
        config: RunConfig,
        corpus: Corpus,
        folder: Path,
        device: torch.device,
        asked: list[int],
        checkpoint_seconds: float,
    ) -> None:
        self.config, self.corpus, self.folder, self.device = config, corpus, folder, device
        self.asked, self.every = asked, checkpoint_seconds
        self.training = Training(config, corpus, device)
        self.provenance = records.provenance("" if config.file else config.baseline)
        self.provenance |= {"method_sha256": config.method_sha256}
        self.provenance |= {"resumed": 0, "code_sha256_resumed": []}
        self.saved = self.clock = time.monotonic()
        self.logged = 0
        if (folder / "checkpoint.pt").exists():
            self._resume()
        if self.training.step < self.training.total_steps:  # parts of a removed checkpoint
            shutil.rmtree(folder / "evaluation", ignore_errors=True)

    @property
    def path(self) -> Path:
        return self.folder / "checkpoint.pt"

    def work(self, keep: Keep) -> dict[str, Any]:
        training = self.training
        training.train(self._after_step)
        if not (self.folder / "evaluation").exists():
            self._save()
        scores, details, seconds = self._evaluate()
        if keep != "none":
            self._keep("best.pt", training.best["weights"])
        if keep == "all":
            self._keep("last.pt", training.model.state_dict())
        record = assemble(training, self.provenance, scores, details, seconds)
        records.write_exclusive(self.folder, record)
        return record

    def _resume(self) -> None:
        state = checkpoint.load(self.path, self.device)
        self.training.load_state(state)
        now = self.provenance
        self.provenance = state["provenance"]
        began = self.provenance.get("method_sha256", now["method_sha256"])
        if began != now["method_sha256"]:
            raise UserError(
                f"{self.folder}: {self.config.baseline}.py changed since this run began; restore "
                "it, or remove the folder to begin anew"
            )
        self.provenance["resumed"] += 1
        self.provenance["code_sha256_resumed"].append(now["code_sha256"])
        self.logged = len(self.training.curve)
        phase = "evaluate" if self.training.step == self.training.total_steps else "train"
        self._log({"resumed_at_step": self.training.step, "phase": phase})

    def _after_step(self) -> None:
        training = self.training
        if len(training.curve) > self.logged:
            self._log(training.curve[-1])
            self.logged = len(training.curve)
            self._tick()
            self.progress.epoch(training.curve[-1], training.total_steps, self._rate())
        if self.progress.due():
            self._tick()
            loss, kl = training.mean_loss()
            figures = {"loss": loss, "kl": kl, "weight": training.annealer.weight}
            figures["tokens_per_second"] = self._rate()
            self.progress.show("train", training.step, training.total_steps, **figures)
        stop = bool(self.asked)
        if stop or time.monotonic() - self.saved > self.every:
            self._save()
        if stop:
            self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.asked:
            raise Interrupted(f"{self.config.id}: stopped by {signal.Signals(self.asked[0]).name}")

    def _rate(self) -> float:
        return self.training.tokens / max(self.training.seconds, 1e-9)

    def _tick(self) -> None:
        """Add the time since the last tick to the training time."""
        now = time.monotonic()
        self.training.seconds += now - self.clock
        self.clock = now

    def _save(self) -> None:
        self.training.check()  # refuses to replace the last good checkpoint by a diverged one
        self._tick()
        checkpoint.save(self.path, {**self.training.state(), "provenance": self.provenance})
        self.saved = time.monotonic()

    def _log(self, line: dict[str, Any]) -> None:
        path = self.folder / "log.jsonl"
        try:
            with open(path, "a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); free space") from error

    def _keep(self, name: str, weights: dict[str, Any]) -> None:
        checkpoint.save(self.folder / name, {"weights": {k: v.cpu() for k, v in weights.items()}})

    def _evaluate(self) -> tuple[dict[str, Any], dict[str, Any], float]:
        """Metrics of validation, test and last; details of the test; seconds it took."""
        training, settings = self.training, self.config.evaluate
        prior = training.baseline.selection_weight > 0
        test = Measured("test", self.corpus.splits["test"], self.config.seed, self.device)
        model, best = training.model, training.best
        last = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.eval()
        seconds = [0.0]
        with training.autocast():
            store = self._store(test, "last", seconds)
            scores = {"valid": best["metrics"]}
            scores["last"], _ = evaluate(model, self.corpus, test, 0, 0, prior, store)
            model.load_state_dict(best["weights"])
            store = self._store(test, "best", seconds)
            greedy = settings.max_length if settings.bleu else 0
            scores["test"], details = evaluate(
                model, self.corpus, test, settings.iw_samples, greedy, prior, store
            )
            scores["test"] |= recovery(model, self.corpus, test)
            details |= recorded(model, self.corpus)
        model.load_state_dict(last)
        sentences.keep(self.folder / sentences.FILES[0], details)
        return scores, details, seconds[0]

    def _store(
        self, split: Measured, which: str, seconds: list[float]
    ) -> Callable[[int, Callable[[], Parts]], Parts]:
        """Do the work of a bucket, or read it where an earlier process did it."""
        key = f"{which}-{split.name}-{self.config.evaluation_digest}"
        scored = list(accumulate((b.tokens[:, 1:].numel() for b in split.buckets), initial=0))

        def step(number: int, work: Callable[[], Parts]) -> Parts:
            self._stop_if_asked()
            if number == 0 or self.progress.due():
                self.progress.show("evaluate", scored[number], split.tokens)
            path = self.folder / "evaluation" / f"{key}-{number}.npz"
            parts = _read_parts(path)
            if parts is None:
                begin = time.monotonic()
                parts = work()
                parts["seconds"] = np.array(time.monotonic() - begin)
                write_atomic(path, _npz(parts), durable=False)
            seconds[0] += float(parts.pop("seconds"))
            return parts

        return step


def _read_parts(path: Path) -> Parts | None:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None  # absent, or damaged: measured again


def _npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _json(table: dict[str, Any]) -> bytes:
    return (json.dumps(table, indent=1, sort_keys=True) + "\n").encode()
