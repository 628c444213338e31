#!/usr/bin/env python3
"""A yardstick for speed: the LSTM VAE as it is usually written.

Eager, fp32, batches of equal length and at most 32. It trains on PTB for a number of steps and
prints tokens per second (median over steps), then scores sentences with the importance-weighted
NLL as it is usually written (500 samples in chunks of 100, one sentence at a time) and prints
sentences per second. `pcbench bench` measures this project's code in turns with it; a figure of
another day, or of another machine, compares with nothing.

    cd tests/tools
    python yardstick.py PTB_DIR [--steps 60] [--sentences 12] [--threads 2] [--device cuda]
    python yardstick.py --vocab 20001 --length 80 --hidden 1024 --embed 512   # Yahoo's sizes
"""

import argparse
import math
import statistics
import time

import torch
from torch import nn


def read(path, words):
    with open(path) as file:
        lines = [line.split() for line in file]
    for line in lines:
        for word in line:
            words.setdefault(word, len(words))
    return [[1, *(words[w] for w in line), 2] for line in lines if line]


def same_length(sentences, size):
    groups = {}
    for s in sentences:
        groups.setdefault(len(s), []).append(s)
    return [torch.tensor(g[i : i + size]) for g in groups.values() for i in range(0, len(g), size)]


class Vae(nn.Module):
    def __init__(self, vocab, embed, hidden, latent=32):
        super().__init__()
        self.encoder_embed = nn.Embedding(vocab, embed)
        self.encoder = nn.LSTM(embed, hidden, batch_first=True)
        self.to_stats = nn.Linear(hidden, 2 * latent, bias=False)
        self.decoder_embed = nn.Embedding(vocab, embed)
        self.to_cell = nn.Linear(latent, hidden, bias=False)
        self.decoder = nn.LSTM(embed + latent, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocab, bias=False)
        self.dropout = nn.Dropout(0.5)
        for p in self.parameters():
            nn.init.uniform_(p, -0.01, 0.01)
        nn.init.uniform_(self.encoder_embed.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder_embed.weight, -0.1, 0.1)

    def encode(self, x):
        _, (h, _) = self.encoder(self.encoder_embed(x))
        return self.to_stats(h[0]).chunk(2, -1)

    def nll(self, x, z):  # x (B, T), z (B, S, latent) -> (B, S)
        b, s, d = z.shape
        words = self.dropout(self.decoder_embed(x[:, :-1]))
        t = words.shape[1]
        words = words.unsqueeze(1).expand(b, s, t, -1).reshape(b * s, t, -1)
        zs = z.unsqueeze(2).expand(b, s, t, d).reshape(b * s, t, d)
        c = self.to_cell(z.reshape(1, b * s, d))
        out, _ = self.decoder(torch.cat([words, zs], -1), (torch.tanh(c), c))
        logits = self.output(self.dropout(out))
        target = x[:, 1:].unsqueeze(1).expand(b, s, t).reshape(-1)
        loss = nn.functional.cross_entropy(logits.reshape(b * s * t, -1), target, reduction="none")
        return loss.view(b, s, t).sum(-1)


def train_step(model, optimiser, x, weight=1.0):
    mu, logvar = model.encode(x)
    z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)
    nll = model.nll(x, z.unsqueeze(1))[:, 0]
    optimiser.zero_grad()
    (nll + weight * kl).mean().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    return nll.sum().item(), kl.sum().item()


@torch.no_grad()
def importance_weighted_nll(model, x, samples=500, chunk=100):
    terms = []
    for _ in range(samples // chunk):
        mu, logvar = model.encode(x)
        noise = torch.randn(x.shape[0], chunk, mu.shape[1], device=x.device)
        z = mu.unsqueeze(1) + noise * (0.5 * logvar).exp().unsqueeze(1)
        log_q = (-0.5 * (noise**2 + logvar.unsqueeze(1) + math.log(2 * math.pi))).sum(-1)
        log_p = (-0.5 * (z**2 + math.log(2 * math.pi))).sum(-1) - model.nll(x, z)
        terms.append(log_p - log_q)
    return -(torch.logsumexp(torch.cat(terms, 1), 1) - math.log(samples))


def median_rate(model, optimiser, batches, warmup=5):
    """Tokens per second of training, the median over the batches after the warm-up."""
    rates = []
    for x in batches:
        begin = time.perf_counter()
        train_step(model, optimiser, x)  # ends with .item(): the device has finished
        rates.append(x.shape[0] * (x.shape[1] - 1) / (time.perf_counter() - begin))
    return statistics.median(rates[warmup:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ptb", nargs="?")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--sentences", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--embed", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=10002)
    parser.add_argument("--length", type=int, default=80)
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    if a.ptb:
        words = {"<pad>": 0, "<s>": 1, "</s>": 2}
        batches = same_length(read(f"{a.ptb}/ptb.train.txt", words), 32)
        order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(0))
        batches = [batches[i] for i in order[: a.steps].tolist()]
        test = [torch.tensor([s]) for s in read(f"{a.ptb}/ptb.test.txt", words)[: a.sentences]]
        vocab = len(words)
    else:
        vocab = a.vocab
        batches = [torch.randint(3, vocab, (32, a.length + 1)) for _ in range(a.steps)]
        test = [torch.randint(3, vocab, (1, a.length + 1)) for _ in range(a.sentences)]
    model = Vae(vocab, a.embed, a.hidden).to(a.device)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    rate = median_rate(model, optimiser, [x.to(a.device) for x in batches])
    print(f"train: {rate:.0f} tokens/s (median of {a.steps - 5} steps)")
    model.eval()
    begin = time.perf_counter()
    for x in test:
        importance_weighted_nll(model, x.to(a.device)).sum().item()
    print(f"iw-nll: {len(test) / (time.perf_counter() - begin):.2f} sentences/s, 500 samples")


if __name__ == "__main__":
    main()
