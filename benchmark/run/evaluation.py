"""Measure a model on a split: one encoder pass, then the decoder in length buckets.

Evaluation asks nothing of the baseline and always uses the raw KL.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import metrics
from benchmark.data.batches import Batch
from benchmark.data.corpus import Corpus
from benchmark.model.vae import TextVAE
from benchmark.run.config import RunConfig
from benchmark.run.encoding import PROBES, Encoded, Measured, encode, finite, recovery

ELEMENTS = {"cpu": 2**23, "cuda": 2**27}  # logits held at once: bounds the memory
MAX_CHUNK = {"cpu": 4096, "cuda": 2**16}  # tokens decoded at once

Metrics = dict[str, Any]
Parts = dict[str, NDArray[Any]]  # what one bucket gives; rows are its sentences
Step = Callable[[int, Callable[[], Parts]], Parts]  # (bucket's number, work) -> its parts
AT_ONCE: Step = lambda number, work: work()  # noqa: E731


@torch.no_grad()
def validate(model: TextVAE, split: Measured, prior: bool = True) -> Metrics:
    """Return the metrics of one encoder and decoder pass: bound, KL, MI, active units, z_use.

    ``z_use`` is over ``split.subset``, since each sentence costs another pass of the decoder. The
    model is in evaluation mode. An auto-encoder, without ``prior``, has no marginal KL.
    """
    encoded = encode(model, split)
    losses = [_nll(model, split, bucket, encoded.z) for bucket in split.wide]
    rec = sum(float(loss.double().sum()) for loss in losses) / len(split.split)
    use: Metrics = {"z_use": None, "z_use_se": None}
    if model.latent and split.subset:
        own = torch.empty(len(split.split), dtype=torch.float64, device=split.device)
        for bucket, loss in zip(split.wide, losses, strict=True):
            rows = torch.from_numpy(bucket.index).to(split.device)
            own[rows] = loss.sum((1, 2), dtype=torch.float64)
        some = np.concatenate([bucket.index for bucket in split.subset])
        swapped = [_nll_of_strangers(model, split, encoded, bucket) for bucket in split.subset]
        use = _z_use(own[some], torch.cat(swapped), split.stranger[some])
    return {**_bound(split, rec, encoded), **_latent_metrics(split, encoded, prior), **use}


@torch.no_grad()
def measure_bucket(
    model: TextVAE, split: Measured, encoded: Encoded, bucket: Batch, samples: int, greedy: int
) -> Parts:
    """Return the decoder's numbers for one bucket, B sentences of T tokens, as requested.

    Args:
        model: in evaluation mode.
        split: what is measured.
        encoded: the whole split.
        bucket: a bucket of the split.
        samples: importance samples S; 0 for none.
        greedy: longest greedy reconstruction in tokens; 0 for none.

    Returns:
        ``token_nll`` (B, T) with the first draw; ``swapped`` (B,) with the stranger's; ``rec`` (B,)
        the mean over the S draws; ``log_weights`` (B, S) float64; ``words``, ``word_counts`` of
        the greedy reconstructions, joined.
    """
    parts = {"token_nll": _nll(model, split, bucket, encoded.z)[:, 0]}
    rows = torch.from_numpy(bucket.index).to(split.device)
    if model.latent:
        parts["swapped"] = _nll_of_strangers(model, split, encoded, bucket)
    if samples:
        mu, logvar = encoded.mu[rows].unsqueeze(1), encoded.logvar[rows].unsqueeze(1)
        draws = [split.importance_noise(i, samples, model.latent) for i in bucket.index.tolist()]
        noise = torch.stack(draws).to(split.device)
        z = mu + noise * (0.5 * logvar).exp()  # (B, S, Z)
        tokens = bucket.tokens.to(split.device)
        rec = model.nll(tokens, z, _chunk(model, split)).sum(-1, dtype=torch.float64)  # (B, S)
        # log p(z) - log q(z | x); the normalising constants cancel
        ratio = 0.5 * (noise.double().square() - z.double().square() + logvar.double()).sum(-1)
        parts |= {"rec": rec.mean(-1), "log_weights": ratio - rec}
    out = {name: value.cpu().numpy() for name, value in parts.items()}
    if greedy:
        written = model.generate(encoded.mu[rows], greedy)
        out["words"] = np.array([w for row in written for w in row], dtype=np.int32)
        out["word_counts"] = np.array([len(row) for row in written], dtype=np.int32)
    return out


def evaluate(
    model: TextVAE,
    corpus: Corpus,
    split: Measured,
    samples: int,
    greedy: int,
    prior: bool = True,
    step: Step = AT_ONCE,
) -> tuple[Metrics, dict[str, Any]]:
    """Return all metrics of one model on one split.

    Args:
        model: in evaluation mode.
        corpus: where the split comes from.
        split: what to measure.
        samples: importance samples a sentence; 0 leaves IW-NLL out.
        greedy: longest greedy reconstruction; 0 leaves BLEU out.
        prior: False for an auto-encoder: no IW-NLL, no marginal KL.
        step: does the work of a bucket, or reads what an earlier process did.

    Returns:
        The metrics, and the details: ``kl_spectrum``, ``loss_by_position`` (mean and count), and
        of each sentence ``rec``, ``kl``, ``iw_nll`` (N,); the last is a language model's exact NLL.
    """
    encoded = encode(model, split)
    samples = samples if prior and model.latent else 0
    greedy = greedy if model.latent else 0
    parts: list[Parts] = []
    for number, bucket in enumerate(split.buckets):
        work = partial(measure_bucket, model, split, encoded, bucket, samples, greedy)
        parts.append(step(number, work))
    if not model.latent:
        scores = _language_model(split, parts)
    elif samples:
        scores = _vae(split, encoded, parts)
    else:
        scores = _autoencoder(split, parts)
    absent = ("iw_nll", "ppl_iw", "ess", "z_use", "z_use_se", "bleu", "excess", *PROBES)
    found = dict.fromkeys(absent) | scores.metrics
    found |= _bound(split, float(scores.rec.mean()), encoded)
    found |= _latent_metrics(split, encoded, prior)
    if scores.nll is not None:
        nll = float(scores.nll.mean())
        found |= {"iw_nll": nll, "ppl_iw": _perplexity(split, nll)}
        if split.split.log_prob is not None:
            value, error = metrics.excess(torch.from_numpy(scores.nll), split.split.log_prob)
            found |= {"excess": value, "excess_se": finite(error)}
    if greedy:
        found["bleu"] = _bleu(corpus, split, parts)
    position = metrics.loss_by_position(torch.from_numpy(part["token_nll"]) for part in parts)
    return found, {
        "rec": scores.rec,
        "kl": encoded.kl.sum(-1).cpu().numpy(),
        "iw_nll": scores.nll,
        "loss_by_position": list(map(list, zip(position.mean, position.count, strict=True))),
        "kl_spectrum": metrics.kl_spectrum(encoded.kl).tolist() if model.latent else None,
    }


@dataclass
class Scores:
    """The decoder's numbers for a split, by the kind of model."""

    rec: NDArray[Any]  # (N,) nats
    nll: NDArray[Any] | None  # (N,) nats; None without a prior, or without importance samples
    metrics: Metrics


def _language_model(split: Measured, parts: list[Parts]) -> Scores:
    """Return the scores of a model without a latent variable, whose likelihood is exact."""
    nll = split.in_order([part["token_nll"].sum(-1, dtype=np.float64) for part in parts])
    return Scores(nll, nll, {})


def _autoencoder(split: Measured, parts: list[Parts]) -> Scores:
    """Return the scores of an auto-encoder by one sample, without a likelihood."""
    rec = split.in_order([part["token_nll"].sum(-1, dtype=np.float64) for part in parts])
    swapped = split.in_order([part["swapped"] for part in parts])
    use = _z_use(torch.from_numpy(rec), torch.from_numpy(swapped), split.stranger)
    return Scores(rec, None, use)


def _vae(split: Measured, encoded: Encoded, parts: list[Parts]) -> Scores:
    """Return the scores of a VAE by importance samples; z_use is of the first sample."""
    rec = split.in_order([part["rec"] for part in parts])
    weights = torch.from_numpy(split.in_order([part["log_weights"] for part in parts]))
    estimate = metrics.importance_nll(weights)
    nll = estimate.curve[weights.shape[1]].numpy()
    gap = rec + encoded.kl.sum(-1).cpu().numpy() - nll
    values = {
        "ess": float(estimate.ess.mean()),
        "iw_curve": [[size, float(v.mean())] for size, v in estimate.curve.items()],
        "iw_upper_bound": estimate.upper_bound,
        "iw_gap_se": float(gap.std(ddof=1) / math.sqrt(len(gap))) if len(gap) > 1 else None,
    }
    return Scores(rec, nll, values | _autoencoder(split, parts).metrics)


def evaluate_test(
    model: TextVAE, corpus: Corpus, config: RunConfig, test: Measured, step: Step = AT_ONCE
) -> tuple[Metrics, dict[str, Any]]:
    """Return a model's metrics on the test split by a run's settings, with `recovery`."""
    settings = config.evaluate
    greedy = settings.max_length if settings.bleu else 0
    prior = config.method().selection_weight > 0
    found, details = evaluate(model, corpus, test, settings.iw_samples, greedy, prior, step)
    return found | recovery(model, corpus, test), details


def _nll(model: TextVAE, split: Measured, bucket: Batch, z: Tensor) -> Tensor:
    """Return the NLL (B, 1, T) of a bucket's tokens, each sentence with its own row of z (N, Z)."""
    rows = torch.from_numpy(bucket.index).to(split.device)
    tokens = bucket.tokens.to(split.device)
    return model.nll(tokens, z[rows].float().unsqueeze(1), _chunk(model, split))


def _nll_of_strangers(model: TextVAE, split: Measured, encoded: Encoded, bucket: Batch) -> Tensor:
    """Return the NLL (B,), float64, with the z of the stranger; a lone sentence keeps its own."""
    stranger = split.stranger[bucket.index]
    other = Batch(np.where(stranger < 0, bucket.index, stranger), bucket.tokens)
    return _nll(model, split, other, encoded.z).sum((1, 2), dtype=torch.float64)


def _chunk(model: TextVAE, split: Measured) -> int:
    """Return how many tokens are decoded at once."""
    kind = split.device.type
    if kind == "cpu" and torch.is_autocast_enabled(kind):
        return 4 * MAX_CHUNK[kind]  # scored without holding the logits
    return min(MAX_CHUNK[kind], max(64, ELEMENTS[kind] // model.decoder.output.out_features))


def _bound(split: Measured, rec: float, encoded: Encoded) -> Metrics:
    kl = float(encoded.kl.sum(-1).mean())
    perplexity = _perplexity(split, rec + kl)
    return {"neg_elbo": rec + kl, "rec": rec, "kl": kl, "ppl_elbo": perplexity}


def _latent_metrics(split: Measured, encoded: Encoded, prior: bool) -> Metrics:
    """Return the metrics of the encoder alone; all null without a latent variable."""
    if encoded.mu.shape[1] == 0:
        names = ("mi", "mi_se", "mi_cap", "mi_batch", "marginal_kl", "au", "au_0.05", "au_0.2")
        return dict.fromkeys(names)
    information = metrics.coupled_mi(encoded.mu, encoded.logvar, encoded.z)
    kl = float(encoded.kl.sum(-1).mean())
    batches = [bucket.index for bucket in split.buckets]
    return {
        "mi": information.mi,
        "mi_se": finite(information.error),
        "mi_cap": information.cap,
        "mi_batch": metrics.batch_mi(encoded.mu, encoded.logvar, encoded.z, batches),
        "marginal_kl": metrics.marginal_kl(kl, information) if prior else None,
        "au": metrics.active_units(encoded.mu),
        "au_0.05": metrics.active_units(encoded.mu, 0.05),
        "au_0.2": metrics.active_units(encoded.mu, 0.2),
    }


def _z_use(own: Tensor, swapped: Tensor, stranger: NDArray[np.int64]) -> Metrics:
    use, error, _ = metrics.z_use(own, swapped, stranger)
    return {"z_use": finite(use), "z_use_se": finite(error)}


def _perplexity(split: Measured, nats: float) -> float | None:
    """Return the perplexity for a number of nats a sentence; None if it overflows."""
    return finite(metrics.perplexity(nats * len(split.split), split.tokens))


def _bleu(corpus: Corpus, split: Measured, parts: list[Parts]) -> float:
    decode = corpus.vocabulary.decode
    written, real = [], []
    for part, bucket in zip(parts, split.buckets, strict=True):
        ends = np.cumsum(part["word_counts"])[:-1]
        written += [decode(row.tolist()) for row in np.split(part["words"], ends)]
        real += [decode(split.split.sentence(i)[1:-1].tolist()) for i in bucket.index.tolist()]
    return metrics.reconstruction_bleu(written, real)
