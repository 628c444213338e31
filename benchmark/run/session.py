"""One run from its config to its record: folder, claim, resume, train, evaluate, write.

``<runs>/<id>/`` holds config.json, a copy of an outside baseline, log.jsonl, progress.json,
checkpoint.pt while it trains, evaluation/ while it is measured, best.pt, sentences.npz, and at the
very end record.json, which alone means done.
"""

import json
import shutil
import signal
import sys
import time
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
from benchmark.core.files import read_npz, sha256_bytes, write_atomic, write_npz
from benchmark.core.provenance import provenance
from benchmark.core.records import Record
from benchmark.data.corpus import Corpus
from benchmark.model import checkpoint
from benchmark.model.device import prepare_device
from benchmark.model.lowprecision import has_bf16
from benchmark.run import contract, failures
from benchmark.run.claims import claim, clear_finished, clear_temporary
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured
from benchmark.run.evaluation import Parts, Step, evaluate, evaluate_test
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
) -> Record:
    """Train and evaluate one run, or resume it from its checkpoint; return its record.

    Args:
        config: the run.
        runs: the folder of all runs.
        data: the folder of prepared data.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        progress: draw a bar on a terminal; elsewhere print a line an epoch.
        keep: which weights stay when the record is written.
        checkpoint_seconds: time between two checkpoints.
        threads: of torch on the CPU; results are bit-identical for equal numbers of threads only.

    Raises:
        UserError: bad input, a record that exists, no sacrebleu for BLEU, no such device, a method
            that breaks its contract or raises, a damaged checkpoint, a loss that is not finite.
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
            with failures.blamed(config):
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


def refuse_done(folder: Path) -> None:
    """Raise UserError if the run has a record, which is never overwritten."""
    if records.finished(folder):
        clear_finished(folder)
        raise UserError(
            f"{folder / records.FILE}: a record exists already and is kept; to repeat the "
            "run, choose another --runs folder"
        )


def _keep_settings(config: RunConfig, folder: Path) -> None:
    """Write what `load_run` needs: the settings, and a copy of an outside baseline's file."""
    table = config.to_dict() | {"data": corpora.find(config.data).absolute}
    if config.file is not None:
        source = Path(config.file).read_bytes()
        if sha256_bytes(source) != config.file_sha256:
            raise UserError(f"{config.file}: changed while the run began; start the run again")
        write_atomic(folder / COPY, source)
        table["file"] = COPY
    text = json.dumps(table, indent=1, sort_keys=True)
    write_atomic(folder / "config.json", f"{text}\n".encode())


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
        self.provenance = provenance("" if config.file else config.baseline) | {
            "method_sha256": config.method_sha256,
            "resumed": 0,
            "code_sha256_resumed": [],
        }
        self.saved = self.clock = time.monotonic()
        self.logged = 0  # points of the curve that log.jsonl has
        self.measured = 0.0  # seconds that evaluation took, in all processes
        self.path = folder / "checkpoint.pt"
        if self.path.exists():
            self._resume()
        if self.training.step < self.training.total_steps:  # parts of a removed checkpoint
            shutil.rmtree(folder / "evaluation", ignore_errors=True)

    def work(self, keep: Keep) -> Record:
        """Train, evaluate, and write the record."""
        training = self.training
        training.train(self._after_step)
        if not (self.folder / "evaluation").exists():
            self._save()
        scores, details = self._evaluate()
        if keep != "none":
            self._keep("best.pt", training.best["weights"])
        if keep == "all":
            self._keep("last.pt", training.model.state_dict())
        record = assemble(training, self.provenance, scores, details, self.measured)
        records.write_exclusive(self.folder, record)
        return record

    def _resume(self) -> None:
        state = checkpoint.load(self.path, self.device)
        self.training.load_state(state)
        now, self.provenance = self.provenance, state["provenance"]
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
            self.progress.epoch(training.curve[-1], training.total_steps, training.rate_of_tokens())
        if self.progress.due():
            self._tick()
            loss, kl = training.mean_loss()
            self.progress.show(
                "train", training.step, training.total_steps, loss=loss, kl=kl,
                weight=training.annealer.weight, tokens_per_second=training.rate_of_tokens(),
            )  # fmt: skip
        asked = bool(self.asked)  # read once: a signal may come while the checkpoint is written
        if asked or time.monotonic() - self.saved > self.every:
            self._save()
        if asked:
            self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self.asked:
            raise Interrupted(f"{self.config.id}: stopped by {signal.Signals(self.asked[0]).name}")

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
            reason = f"cannot be written ({error.strerror}); free some space"
            raise UserError(f"{path}: {reason}") from error

    def _keep(self, name: str, weights: dict[str, Any]) -> None:
        checkpoint.save(self.folder / name, {"weights": {k: v.cpu() for k, v in weights.items()}})

    def _evaluate(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the metrics of ``valid``, ``test`` and ``last``, and the details of the test."""
        training, model = self.training, self.training.model
        prior = training.baseline.selection_weight > 0
        test = Measured("test", self.corpus.splits["test"], self.config.seed, self.device)
        last = {k: v.detach().clone() for k, v in model.state_dict().items()}
        model.eval()
        scores = {"valid": training.best["metrics"]}
        with training.autocast():
            step = self._kept_parts("last", test)
            scores["last"], _ = evaluate(model, self.corpus, test, 0, 0, prior, step)
            model.load_state_dict(training.best["weights"])
            step = self._kept_parts("best", test)
            scores["test"], details = evaluate_test(model, self.corpus, self.config, test, step)
            details |= recorded(model, self.corpus)
        model.load_state_dict(last)
        sentences.keep(self.folder / sentences.FILES[0], details)
        return scores, details

    def _kept_parts(self, which: str, test: Measured) -> Step:
        """Return a function that measures a bucket, or reads an earlier process's result."""
        name = f"{which}-{test.name}-{self.config.evaluation_digest}"
        done = list(accumulate((b.tokens[:, 1:].numel() for b in test.buckets), initial=0))

        def step(number: int, work: Callable[[], Parts]) -> Parts:
            self._stop_if_asked()
            if number == 0 or self.progress.due():
                self.progress.show("evaluate", done[number], test.tokens)
            path = self.folder / "evaluation" / f"{name}-{number}.npz"
            try:
                parts = read_npz(path)
            except UserError:  # absent, or damaged: measured again
                begin = time.monotonic()
                parts = work()
                parts["seconds"] = np.array(time.monotonic() - begin)
                write_npz(path, parts, durable=False)
            self.measured += float(parts.pop("seconds"))
            return parts

        return step
