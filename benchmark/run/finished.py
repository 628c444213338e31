"""Finished runs in memory, to measure again, or to encode, write and score text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark import data as corpora
from benchmark import metrics
from benchmark.core import id_prefixes, records
from benchmark.core.errors import UserError
from benchmark.core.schema import Record
from benchmark.core.seeds import generator
from benchmark.data import Vocabulary
from benchmark.data.corpus import Corpus, Split
from benchmark.model import checkpoint
from benchmark.model.device import open_device
from benchmark.model.vae import TextVAE, build
from benchmark.run import samples
from benchmark.run.config import RunConfig
from benchmark.run.encoding import Measured, encode
from benchmark.run.evaluation import evaluate, evaluate_test

if TYPE_CHECKING:
    import pandas as pd


def load_run(
    run_id: str | Path,
    runs: str | Path | None = None,
    data_root: str | Path | None = None,
    device: str = "cpu",
) -> "LoadedRun":
    """Return a finished run with its best weights, vocabulary and config.

    Args:
        run_id: the id, the beginning of one that no other run of ``runs`` has, or the run's folder.
        runs: by default ``$PCBENCH_RUNS`` or results/runs.
        data_root: of prepared data; by default ``$PCBENCH_DATA`` or .data.
        device: where to put the model.

    Raises:
        UserError: no such run or several, one that is not finished, its weights were not kept, or
            there is no such device.
    """
    folder = id_prefixes.folder_of(run_id, Path(runs or records.default_runs()))
    try:
        table = dict(json.loads((folder / "config.json").read_text()))
        if table.get("file"):
            table["file"] = str(folder / table["file"])  # the copy beside the config
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder}: its config.json cannot be read ({error})") from error
    config = RunConfig.from_dict(table, str(folder / "config.json"))
    if config.id != folder.resolve().name:
        raise UserError(
            f"{folder}: its config.json gives the id {config.id}; the code, a baseline's file or "
            "the config has changed: load the run with the commit that its record names"
        )
    if not records.finished(folder):
        raise UserError(f"{folder}: the run is not finished; repeat its command to resume it")
    if not (folder / "best.pt").exists():
        raise UserError(
            f"{folder}: no best.pt: the run used --keep none; run it again in another --runs folder"
        )
    place = open_device(device, config.precision)
    corpus = corpora.load(config.data, Path(data_root or corpora.default_root()))
    initial = generator(config.seed, "init")
    model = build(config.model, config.method(), len(corpus.vocabulary), initial)
    model.load_state_dict(checkpoint.load(folder / "best.pt")["weights"])
    record = records.read(folder / records.FILE)
    return LoadedRun(model.to(place).eval(), corpus.vocabulary, config, corpus, record)


@dataclass(repr=False)
class LoadedRun:
    """A finished run, ready to use.

    A text is one sentence, its words separated by blanks. Words outside the vocabulary become
    ``<unk>``; the generated language has none and takes its words alone; sentencepiece cuts any
    text. Results are in the order of the input. All methods raise UserError for bad input:
    no text, a word that the vocabulary lacks, or a number out of range.
    """

    model: TextVAE
    vocabulary: Vocabulary
    config: RunConfig
    corpus: Corpus
    record: Record

    def __repr__(self) -> str:
        config, test = self.config, self.record["metrics"]["test"]
        values = [f"{k.upper()} {test[k]:.2f}" for k in ("kl", "mi") if test.get("mi") is not None]
        shown = f"{', '.join(values)} nats" if values else "no latent variable"
        return f"<LoadedRun {config.id}: {config.baseline} on {config.data}, {shown}>"

    @property
    def device(self) -> torch.device:
        """Return the device of the model."""
        return next(self.model.parameters()).device

    def autocast(self) -> AbstractContextManager[None]:
        """Return a context that computes in the precision of the run's training."""
        bf16 = self.config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)

    def encode(self, texts: Iterable[str]) -> tuple[Tensor, Tensor]:
        """Return posterior means and log variances of N texts, each (N, Z), on the CPU."""
        self._check_latent("encode")
        with self.autocast():
            encoded = encode(self.model, self._measured(_listed(texts)))
        return encoded.mu.cpu(), encoded.logvar.cpu()

    def reconstruct(
        self,
        texts: Iterable[str],
        seed: int = 0,
        max_length: int | None = None,
        greedy: bool | None = None,
    ) -> list[str]:
        """Return each text as the model writes it from its posterior mean.

        Args:
            texts: N sentences.
            seed: of drawn words; greedy ones need none.
            max_length: tokens after which a text is cut; by default twice the mean sentence of the
                corpus, or the longest of ``texts`` where that is longer.
            greedy: the likeliest word each time, the default, or words drawn from p(x | z).
        """
        self._check_latent("reconstruct")
        texts = _listed(texts)
        mu, _ = self.encode(texts)
        return self._write(mu, seed, max_length, greedy, texts)

    def sample(
        self, n: int, seed: int = 0, max_length: int | None = None, greedy: bool | None = None
    ) -> list[str]:
        """Return n texts from the prior; with a larger n the first greedy texts stay the same.

        For the arguments see `reconstruct`; a language model draws its words by default.
        """
        z = samples.prior_noise(self.model, seed, _at_least(1, n, "n"))
        return self._write(z, seed, max_length, greedy)

    def interpolate(
        self,
        a: str,
        b: str,
        steps: int = samples.POINTS,
        seed: int = 0,
        max_length: int | None = None,
        greedy: bool | None = None,
    ) -> list[str]:
        """Return texts from even steps on the line between the posterior means of a and b.

        ``steps`` counts both ends. For the other arguments see `reconstruct`.
        """
        self._check_latent("interpolate")
        mu, _ = self.encode([a, b])
        z = samples.line(mu[0], mu[1], _at_least(2, steps, "steps"))
        return self._write(z, seed, max_length, greedy, [a, b])

    def score(
        self, texts: Iterable[str], seed: int = 0, iw_samples: int | None = None
    ) -> "pd.DataFrame":
        """Return numbers for each text; up to rounding they do not depend on the other texts.

        Args:
            texts: N sentences.
            seed: of the draws of z.
            iw_samples: importance samples a sentence; by default those of the run's evaluation.

        Returns:
            A row for each text, in nats: ``text``, ``tokens`` (scored, with the sentence's end),
            ``rec``, ``kl``, ``elbo``, and ``iw_nll``. Of a language model ``iw_nll`` is exact and
            ``kl`` is missing; an auto-encoder has no prior, so that ``iw_nll`` is missing.
        """
        import pandas as pd

        texts = _listed(texts)
        split = self._measured(texts, seed)
        number = self.config.evaluate.iw_samples if iw_samples is None else iw_samples
        number = _at_least(1, number, "iw_samples")
        prior = self.config.method().selection_weight > 0
        with self.autocast():
            _, details = evaluate(self.model, self.corpus, split, number, 0, prior)
        rec, kl, nll = details["rec"], details["kl"], details["iw_nll"]
        return pd.DataFrame(
            {
                "text": texts,
                "tokens": split.lengths,
                "rec": rec,
                "kl": kl if self.model.latent else float("nan"),
                "elbo": -(rec + kl),
                "iw_nll": float("nan") if nll is None else nll,
            }
        )

    def draw(self, numbers: Mapping[str, int], **options: Any) -> samples.Samples:
        """Return `samples.draw` of the run, with its ``id``."""
        with self.autocast():
            drawn = samples.draw(self.model, self.corpus, numbers, **options)
        return {"id": self.config.id, **drawn}

    def split(self, name: str) -> Measured:
        """Return a split with the noise of the run's own evaluation."""
        return Measured(name, self.corpus.splits[name], self.config.seed, self.device)

    def measure(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return metrics and details of the test split, by the run's settings and today's code.

        Nothing is written: the record stays as it is.
        """
        if self.config.evaluate.bleu and self.model.latent:
            metrics.scorer()
        with self.autocast():
            return evaluate_test(self.model, self.corpus, self.config, self.split("test"))

    def _check_latent(self, verb: str) -> None:
        if not self.model.latent:
            raise UserError(
                f"{self.config.id}: {self.config.baseline} has no latent variable, so it cannot "
                f"{verb}; it can sample and score"
            )

    def _measured(self, texts: Sequence[str], seed: int = 0) -> Measured:
        words = []
        for i, text in enumerate(texts):
            try:
                words.append(self.vocabulary.encode(text))
            except UserError as error:
                raise UserError(f"texts[{i}]: {error}") from None
        return _Texts("texts", Split.of(words), seed, self.device)

    def _write(
        self,
        z: Tensor,
        seed: int,
        max_length: int | None,
        greedy: bool | None,
        texts: Sequence[str] = (),
    ) -> list[str]:
        if max_length is None:
            longest = max((len(self.vocabulary.encode(text)) + 1 for text in texts), default=0)
            max_length = max(longest, samples.usual_length(self.corpus.splits[samples.SPLIT]))
        length = _at_least(1, max_length, "max_length")
        writer = samples.Writer(self.model, self.vocabulary, length, seed, greedy, cut="")
        with self.autocast():
            return writer.write(z.to(self.device))


class _Texts(Measured):
    """Sentences whose noise depends on the seed and their words, not on their place in the list."""

    def first_noise(self, latent: int) -> Tensor:
        noise = torch.empty(len(self.split), latent, dtype=torch.float64)
        for i, row in enumerate(noise):
            row.normal_(generator=self._noise("first", i))
        return noise.to(self.device)

    def importance_noise(self, sentence: int, samples: int, latent: int) -> Tensor:
        return torch.randn(samples, latent, generator=self._noise("importance", sentence))

    def _noise(self, name: str, sentence: int) -> torch.Generator:
        return generator(self.seed, self.name, name, *self.split.sentence(sentence).tolist())


def _listed(texts: Iterable[str]) -> list[str]:
    """Return texts, such as a column of a data frame, as a list; refuse a single text."""
    listed = [] if isinstance(texts, str) else list(texts)
    if not listed:
        raise UserError(f"texts: must be a list of at least one sentence, not {texts!r}")
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise UserError(f"texts[{i}]: must be a string, not {text!r}")
    return listed


def _at_least(least: int, value: int, name: str) -> int:
    if type(value) is not int or value < least:
        raise UserError(f"{name}: must be an integer of at least {least}, not {value!r}")
    return value
