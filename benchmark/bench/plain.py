"""The text VAE as it is usually written: the yardstick of `pcbench bench`.

Eager, fp32, padded to nothing: batches are of equal length. What makes this project's own code
faster is left out on purpose; what it computes, and from how many parameters, is the same.
"""

import math

import torch
from torch import Tensor, nn


class Vae(nn.Module):
    """An LSTM encoder and decoder; z starts the decoder's state and joins each of its inputs."""

    def __init__(self, vocab: int, embed: int, hidden: int, latent: int = 32) -> None:
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

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, (B, Z) each, of sentences (B, T + 1)."""
        _, (h, _) = self.encoder(self.encoder_embed(x))
        mu, logvar = self.to_stats(h[0]).chunk(2, -1)
        return mu, logvar

    def nll(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the loss (B, S) of sentences (B, T + 1) under latents (B, S, Z), nats."""
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


def train_step(model: Vae, optimiser: torch.optim.Optimizer, x: Tensor) -> None:
    """Update the model on one batch (B, T + 1) at KL weight 1."""
    mu, logvar = model.encode(x)
    z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
    kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)
    nll = model.nll(x, z.unsqueeze(1))[:, 0]
    optimiser.zero_grad()
    (nll + kl).mean().backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    for loss in (nll, kl):  # usual code logs both at every step, which waits for the device
        loss.sum().item()


@torch.no_grad()
def importance_weighted_nll(model: Vae, x: Tensor, samples: int = 500, chunk: int = 100) -> Tensor:
    """Return the NLL (B,) of sentences (B, T + 1) by importance samples, in chunks, nats."""
    terms = []
    for _ in range(samples // chunk):
        mu, logvar = model.encode(x)
        noise = torch.randn(x.shape[0], chunk, mu.shape[1], device=x.device)
        z = mu.unsqueeze(1) + noise * (0.5 * logvar).exp().unsqueeze(1)
        log_q = (-0.5 * (noise**2 + logvar.unsqueeze(1) + math.log(2 * math.pi))).sum(-1)
        log_p = (-0.5 * (z**2 + math.log(2 * math.pi))).sum(-1) - model.nll(x, z)
        terms.append(log_p - log_q)
    return -(torch.logsumexp(torch.cat(terms, 1), 1) - math.log(samples))
