"""Measuring a model on a split: one encoder pass, then the decoder in length buckets.

Evaluation asks nothing of the baseline and always uses the raw KL.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark import metrics
from benchmark.data.batches import Batch
from benchmark.data.corpus import Corpus
from benchmark.model.vae import TextVAE
from benchmark.run.encoding import Encoded, Measured, encode

ELEMENTS = {"cpu": 2**23, "cuda": 2**27}  # logits held at once: bounds the memory
MAX_CHUNK = {"cpu": 4096, "cuda": 2**16}  # tokens decoded at once

Metrics = dict[str, Any]


@torch.no_grad()
def validate(model: TextVAE, split: Measured, prior: bool = True) -> Metrics:
    """The figures of one encoder and one decoder pass: bound, KL, MI, active units; and z_use.

    ``z_use`` is over ``split.subset``, since each sentence costs another pass of the decoder.

    Args:
        model: in evaluation mode.
        split: what to measure.
        prior: False for an auto-encoder, whose latent has no prior: no marginal KL.
    """
    encoded = encode(model, split)
    chunk = _chunk(model, split)
    losses = [
        model.nll(bucket.tokens.to(split.device), _rows(encoded.z, bucket), chunk)
        for bucket in split.wide
    ]
    rec = sum(float(loss.double().sum()) for loss in losses) / len(split.split)
    use: Metrics = dict.fromkeys(("z_use", "z_use_se"))
    if model.latent and split.subset:
        own = torch.empty(len(split.split), dtype=torch.float64, device=split.device)
        for bucket, loss in zip(split.wide, losses, strict=True):
            rows = torch.from_numpy(bucket.index).to(split.device)
            own[rows] = loss.sum((1, 2), dtype=torch.float64)
        known = np.concatenate([bucket.index for bucket in split.subset])
        swapped = [_nll_of_strangers(model, split, encoded, bucket) for bucket in split.subset]
        use = _z_use(own[known], torch.cat(swapped), split.stranger[known])
    return {**_bound(split, rec, encoded), **latent_figures(split, encoded, prior), **use}


def _nll_of_strangers(model: TextVAE, split: Measured, encoded: Encoded, bucket: Batch) -> Tensor:
    """NLL (B,) of each sentence, float64, with the z of its stranger; its own where it has none."""
    stranger = split.stranger[bucket.index]
    other = torch.from_numpy(np.where(stranger < 0, bucket.index, stranger)).to(split.device)
    tokens, z = bucket.tokens.to(split.device), encoded.z[other].float().unsqueeze(1)
    return model.nll(tokens, z, _chunk(model, split)).sum((1, 2), dtype=torch.float64)


def _z_use(own: Tensor, swapped: Tensor, stranger: NDArray[np.int64]) -> Metrics:
    """z_use and its standard error, each null where there are too few sentences."""
    use, error, _ = metrics.z_use(own, swapped, stranger)
    return {
        "z_use": use if math.isfinite(use) else None,
        "z_use_se": error if math.isfinite(error) else None,
    }


def latent_figures(split: Measured, encoded: Encoded, prior: bool) -> Metrics:
    """What the encoder alone tells; all null without a latent variable."""
    names = ("mi", "mi_se", "mi_cap", "mi_batch", "marginal_kl", "au", "au_0.05", "au_0.2")
    if encoded.mu.shape[1] == 0:
        return dict.fromkeys(names)
    found = encoded.information
    kl = float(encoded.kl.sum(-1).mean())
    batches = [bucket.index for bucket in split.buckets]
    return {
        "mi": found.mi,
        "mi_se": found.error if math.isfinite(found.error) else None,
        "mi_cap": found.cap,
        "mi_batch": metrics.batch_mi(encoded.mu, encoded.logvar, encoded.z, batches),
        "marginal_kl": metrics.marginal_kl(kl, found) if prior else None,
        "au": metrics.active_units(encoded.mu, 0.01),
        "au_0.05": metrics.active_units(encoded.mu, 0.05),
        "au_0.2": metrics.active_units(encoded.mu, 0.2),
    }


def _bound(split: Measured, rec: float, encoded: Encoded) -> Metrics:
    kl = float(encoded.kl.sum(-1).mean())
    return {
        "neg_elbo": rec + kl,
        "rec": rec,
        "kl": kl,
        "ppl_elbo": _perplexity(split, rec + kl),
    }


def _perplexity(split: Measured, nats: float) -> float | None:
    """From nats per sentence; None where it overflows."""
    value = metrics.perplexity(nats * len(split.split), split.tokens)
    return value if math.isfinite(value) else None


def _rows(values: Tensor, bucket: Batch) -> Tensor:
    """The bucket's rows of (N, Z) as one sample each: (B, 1, Z), float32."""
    rows = torch.from_numpy(bucket.index).to(values.device)
    return values[rows].float().unsqueeze(1)


def _chunk(model: TextVAE, split: Measured) -> int:
    """Tokens to decode at once."""
    vocabulary = model.decoder.output.out_features
    kind = split.device.type
    if kind == "cpu" and torch.is_autocast_enabled(kind):
        return 4 * MAX_CHUNK[kind]  # scored without holding the logits
    return min(MAX_CHUNK[kind], max(64, ELEMENTS[kind] // vocabulary))


Parts = dict[str, NDArray[Any]]  # what one bucket gives; rows are its sentences


@torch.no_grad()
def measure_bucket(
    model: TextVAE, split: Measured, encoded: Encoded, bucket: Batch, samples: int, greedy: int
) -> Parts:
    """Decode one bucket in every way that is asked for.

    Args:
        model: in evaluation mode.
        split: what is measured.
        encoded: of the whole split.
        bucket: B sentences of T tokens.
        samples: importance samples S; 0 for none.
        greedy: longest greedy reconstruction in tokens; 0 for none.

    Returns:
        ``token_nll`` (B, T) with the first draw; ``swapped`` (B,) with the stranger's; ``rec`` (B,)
        the mean over the S draws; ``log_weights`` (B, S) float64; ``words``, ``word_counts`` of
        the greedy reconstructions, joined.
    """
    device, chunk = split.device, _chunk(model, split)
    tokens = bucket.tokens.to(device)
    rows = torch.from_numpy(bucket.index).to(device)
    own = model.nll(tokens, _rows(encoded.z, bucket), chunk)[:, 0]
    parts = {"token_nll": own}
    if model.latent:
        parts["swapped"] = _nll_of_strangers(model, split, encoded, bucket)
    if model.latent and samples:
        mu, logvar = encoded.mu[rows].unsqueeze(1), encoded.logvar[rows].unsqueeze(1)
        noise = torch.stack(
            [split.importance_noise(i, samples, model.latent) for i in bucket.index.tolist()]
        ).to(device)
        z = mu + noise * (0.5 * logvar).exp()  # (B, S, Z)
        rec = model.nll(tokens, z, chunk).sum(-1, dtype=torch.float64)  # (B, S)
        # log p(z) - log q(z | x); the normalising constants cancel
        ratio = 0.5 * (noise.double().square() - z.double().square() + logvar.double()).sum(-1)
        parts |= {"rec": rec.mean(-1), "log_weights": ratio - rec}
    out = {name: value.cpu().numpy() for name, value in parts.items()}
    if model.latent and greedy:
        written = model.generate(encoded.mu[rows], greedy)
        out["words"] = np.array([w for row in written for w in row], dtype=np.int32)
        out["word_counts"] = np.array([len(row) for row in written], dtype=np.int32)
    return out


Step = Callable[[int, Callable[[], Parts]], Parts]  # (bucket's number, work) -> its parts


def evaluate(
    model: TextVAE,
    corpus: Corpus,
    split: Measured,
    samples: int,
    greedy: int,
    prior: bool = True,
    step: Step = lambda number, work: work(),
) -> tuple[Metrics, dict[str, Any]]:
    """All figures of one model on one split.

    Args:
        model: in evaluation mode.
        corpus: where the split comes from.
        split: what to measure.
        samples: importance samples a sentence; 0 leaves IW-NLL out.
        greedy: longest greedy reconstruction; 0 leaves BLEU out.
        prior: False for an auto-encoder: no IW-NLL, no marginal KL.
        step: does the work of a bucket, or finds it done; a checkpoint's place.

    Returns:
        The metrics, and the details: ``kl_spectrum``, ``loss_by_position`` (mean and count), and
        of each sentence ``rec``, ``kl``, ``iw_nll`` (N,); the last is a language model's exact NLL.
    """
    samples = samples if prior else 0
    encoded = encode(model, split)
    parts: list[Parts] = []
    for number, bucket in enumerate(split.buckets):
        work = _work(model, split, encoded, bucket, samples, greedy)
        parts.append(step(number, work))
    own = _gather(split, [part["token_nll"].sum(-1, dtype=np.float64) for part in parts])
    found, details = _figures(split, encoded, parts, own, prior)
    if model.latent and greedy:
        found["bleu"] = _bleu(corpus, split, parts)
    position = metrics.loss_by_position(torch.from_numpy(part["token_nll"]) for part in parts)
    pairs = zip(position.mean, position.count, strict=True)
    details["loss_by_position"] = [[mean, count] for mean, count in pairs]
    details["kl_spectrum"] = metrics.kl_spectrum(encoded.kl).tolist() if model.latent else None
    return found, details


def _work(*arguments: Any) -> Callable[[], Parts]:
    return lambda: measure_bucket(*arguments)


def _gather(split: Measured, parts: list[NDArray[Any]]) -> NDArray[Any]:
    """What the buckets gave, row by row in the split's order."""
    joined = np.concatenate(parts)
    out = np.empty_like(joined)
    out[np.concatenate([bucket.index for bucket in split.buckets])] = joined
    return out


def _figures(
    split: Measured, encoded: Encoded, parts: list[Parts], own: NDArray[Any], prior: bool
) -> tuple[Metrics, dict[str, Any]]:
    """Everything that follows from the buckets' parts."""
    has_latent, kl = encoded.mu.shape[1] > 0, encoded.kl.sum(-1).cpu().numpy()
    names = ("iw_nll", "ppl_iw", "ess", "z_use", "z_use_se", "bleu", "excess", "recovered",
             "recovered_mean")  # fmt: skip
    found: Metrics = dict.fromkeys(names)
    rec, nll = own, own if not has_latent else None
    if has_latent:
        swapped = torch.from_numpy(_gather(split, [part["swapped"] for part in parts]))
        found |= _z_use(torch.from_numpy(own), swapped, split.stranger)
    if "log_weights" in parts[0]:
        rec = _gather(split, [part["rec"] for part in parts])
        weights = torch.from_numpy(_gather(split, [part["log_weights"] for part in parts]))
        estimate = metrics.importance_nll(weights)
        nll = estimate.curve[weights.shape[1]].numpy()
        gap = rec + kl - nll
        found |= {
            "ess": float(estimate.ess.mean()),
            "iw_curve": [[size, float(v.mean())] for size, v in estimate.curve.items()],
            "iw_upper_bound": estimate.upper_bound,
            "iw_gap_se": float(gap.std(ddof=1) / math.sqrt(len(gap))) if len(gap) > 1 else None,
        }
    found |= _bound(split, float(rec.mean()), encoded)
    found |= latent_figures(split, encoded, prior)
    if nll is not None:
        found |= {"iw_nll": float(nll.mean()), "ppl_iw": _perplexity(split, float(nll.mean()))}
    if nll is not None and split.split.log_prob is not None:
        value, error = metrics.excess(torch.from_numpy(nll), split.split.log_prob)
        found |= {"excess": value, "excess_se": error if math.isfinite(error) else None}
    return found, {"rec": rec, "kl": kl, "iw_nll": nll}


def _bleu(corpus: Corpus, split: Measured, parts: list[Parts]) -> float:
    def rows(part: Parts) -> Iterator[str]:
        ends = np.cumsum(part["word_counts"])
        for row in np.split(part["words"], ends[:-1]):
            yield corpus.vocabulary.decode(row.tolist())

    written = [text for part in parts for text in rows(part)]
    order = np.concatenate([bucket.index for bucket in split.buckets]).tolist()
    real = [corpus.vocabulary.decode(split.split.sentence(i)[1:-1].tolist()) for i in order]
    return metrics.reconstruction_bleu(written, real)


def recovery(model: TextVAE, corpus: Corpus, test: Measured) -> Metrics:
    """How much of an exact language's class the latent holds, on the test split.

    The probe is trained on the training split: with few sentences it would over-fit, and find less
    than there is.
    """
    if corpus.language is None or not model.latent:
        return {}
    train = Measured("train", corpus.splits["train"], test.seed, test.device)
    count = corpus.language.settings.classes
    assert train.split.classes is not None
    assert test.split.classes is not None
    labels = train.split.classes, test.split.classes
    a, b = encode(model, train), encode(model, test)
    value, error = metrics.recovered(a.z.cpu(), labels[0], b.z.cpu(), labels[1], count)
    mean, _ = metrics.recovered(a.mu.cpu(), labels[0], b.mu.cpu(), labels[1], count)
    stated = error if math.isfinite(error) else None
    return {"recovered": value, "recovered_se": stated, "recovered_mean": mean}
