#!/usr/bin/env python3
"""A yardstick for speed: the LSTM VAE as it is usually written, `benchmark/bench/plain.py`.

Eager, fp32, batches of equal length and at most 32. It trains on PTB for a number of steps and
prints tokens per second (median over steps), then scores sentences with the importance-weighted
NLL as it is usually written (500 samples in chunks of 100, one sentence at a time) and prints
sentences per second. `pcbench bench` measures this project's code in turns with it; a number of
another day, or of another machine, compares with nothing.

    python tests/tools/yardstick.py PTB_DIR [--steps 60] [--sentences 12] [--device cuda]
    # Yahoo's sizes:
    python tests/tools/yardstick.py --vocab 20001 --length 80 --hidden 1024 --embed 512
"""

import argparse
import statistics
import time

import torch

from benchmark.bench.plain import Vae, importance_weighted_nll, train_step


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
