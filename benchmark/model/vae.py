"""The LSTM text VAE: encoder, Gaussian posterior, decoder.

B sentences, T scored tokens, Z latent dimensions, H hidden units, E embedding, V words, S samples.
Every random number comes from a generator that the caller hands in.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Generator, Tensor, nn

from benchmark.core.settings import ModelConfig
from benchmark.core.tokens import BOS, EOS
from benchmark.model.loss import gaussian_kl, token_nll
from benchmark.model.lowprecision import LSTM, Logits


class Encoder(nn.Module):
    """A one-layer LSTM over ``<s> ... </s>``; its last hidden state represents the sentence."""

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = LSTM(embedding, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T + 1), all of one length, to states (B, H)."""
        _, (last, _) = self.lstm(self.embedding(tokens))
        state: Tensor = last[0]
        return state


class Posterior(nn.Module):
    """q(z | x): a linear map from the state to mean and log variance."""

    def __init__(self, hidden: int, latent: int, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, 2 * latent, bias=bias)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map states (B, H) to mean and log variance, each (B, Z)."""
        mu, logvar = self.linear(state).chunk(2, -1)
        return mu, logvar


class Decoder(nn.Module):
    """p(x | z): a one-layer LSTM that starts from z and reads it with every word.

    With ``latent`` 0 it is a language model. ``feed`` says where z enters the first state:
    ``"hidden"``: h0 = Linear(z), c0 = 0; ``"cell"``: c0 = Linear(z), h0 = tanh(c0).
    """

    def __init__(self, vocabulary: int, latent: int, config: ModelConfig) -> None:
        super().__init__()
        self.latent, self.feed, self.rate = latent, config.feed, config.dropout
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.lstm = LSTM(config.embedding + latent, config.hidden)
        if latent:
            self.start = nn.Linear(latent, config.hidden, bias=config.bias)
        self.output = nn.Linear(config.hidden, vocabulary, bias=config.bias)

    def forward(self, words: Tensor, z: Tensor, noise: Generator | None = None) -> Tensor | Logits:
        """Map words (B, T) and z (B, Z) to logits (B, T, V); dropout where ``noise`` is given.

        Returns:
            A tensor in fp32; under autocast, in bf16, `Logits`, which are not yet computed.
        """
        embedded = dropout(self.embedding(words), self.rate, noise)  # (B, T, E)
        states, _ = self.lstm(self.join(embedded, z), self.initial(z))  # (B, T, H)
        logits = Logits(dropout(states, self.rate, noise, time_first=True), self.output)
        return logits if torch.is_autocast_enabled(words.device.type) else logits.dense()

    def join(self, embedded: Tensor, z: Tensor) -> Tensor:
        """Return each embedded word (B, T, E) with z (B, Z) appended, (B, T, E + Z)."""
        if not self.latent:
            return embedded
        beside = z.unsqueeze(1).expand(-1, embedded.shape[1], -1).to(embedded.dtype)
        return torch.cat([embedded, beside], -1)

    def initial(self, z: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the first (h, c), each (1, B, H); None (zeros) for a language model."""
        if not self.latent:
            return None
        first = self.start(z).unsqueeze(0)
        if self.feed == "hidden":
            return first, torch.zeros_like(first)
        return torch.tanh(first), first


@dataclass
class Output:
    """The result of one batch: logits, targets, posterior and sample."""

    logits: Tensor | Logits  # (B, T, V)
    targets: Tensor  # (B, T)
    mu: Tensor  # (B, Z)
    logvar: Tensor  # (B, Z)
    z: Tensor  # (B, Z), one sample of q(z | x)

    @property
    def rec(self) -> Tensor:
        """Return the reconstruction loss of each sentence, nats, (B,)."""
        return token_nll(self.logits, self.targets).sum(-1)

    @property
    def kl(self) -> Tensor:
        """Return the KL of each sentence and dimension, nats, (B, Z)."""
        return gaussian_kl(self.mu, self.logvar)


class TextVAE(nn.Module):
    """Encoder, posterior and decoder; a baseline's ``build`` may replace each of them."""

    def __init__(self, vocabulary: int, config: ModelConfig, latent: bool = True) -> None:
        super().__init__()
        self.latent = config.latent if latent else 0
        if latent:
            self.encoder: nn.Module = Encoder(vocabulary, config.embedding, config.hidden)
            self.posterior: nn.Module = Posterior(config.hidden, config.latent, config.bias)
        self.decoder = Decoder(vocabulary, self.latent, config)

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``<s> ... </s>`` (B, T + 1) to mean and log variance (B, Z), float32."""
        if not self.latent:
            empty = torch.zeros(len(tokens), 0, device=tokens.device)
            return empty, empty
        mu, logvar = self.posterior(self.encoder(tokens))
        return mu.float(), logvar.float()

    def forward(self, tokens: Tensor, noise: Generator, words: Tensor | None = None) -> Output:
        """Return the output of one training pass.

        Args:
            tokens: ``<s> ... </s>``, (B, T + 1), all of one length.
            noise: generator of the latent sample and of dropout.
            words: what the decoder reads, (B, T); by default the sentence itself.
        """
        mu, logvar = self.encode(tokens)
        z = sample(mu, logvar, noise)
        logits = self.decoder(tokens[:, :-1] if words is None else words, z, noise)
        return Output(logits, tokens[:, 1:], mu, logvar, z)

    def nll(self, tokens: Tensor, z: Tensor, chunk: int = 8192) -> Tensor:
        """Return -log p(x | z) of each token under each of S samples, without dropout.

        Args:
            tokens: (B, T + 1), all of one length.
            z: (B, S, Z).
            chunk: tokens decoded at once; it bounds the memory (each has a row of logits).

        Returns:
            (B, S, T), nats, float32.
        """
        sentences, samples = z.shape[:2]
        length = tokens.shape[1] - 1
        rows = max(1, chunk // length)
        owner = torch.arange(sentences, device=z.device).repeat_interleave(samples)
        flat = z.flatten(0, 1)  # (B S, Z)
        parts = []
        for begin in range(0, len(flat), rows):
            some = tokens[owner[begin : begin + rows]]
            logits = self.decoder(some[:, :-1], flat[begin : begin + rows])
            parts.append(token_nll(logits, some[:, 1:]))
        return torch.cat(parts).view(sentences, samples, length)

    @torch.no_grad()
    def generate(
        self, z: Tensor, max_length: int, noise: Generator | None = None
    ) -> list[list[int]]:
        """Return sentences decoded from z, greedily or, with ``noise``, sampled from p(x | z).

        Args:
            z: (B, Z).
            max_length: tokens after which a sentence is cut.
            noise: the generator to sample with.

        Returns:
            B lists of token ids without ``<s>`` and ``</s>``; one of ``max_length`` ids was cut.
        """
        word = torch.full((len(z), 1), BOS, device=z.device)
        state = self.decoder.initial(z)
        ended = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        words = []
        for _ in range(max_length):
            embedded = self.decoder.embedding(word)
            states, state = self.decoder.lstm(self.decoder.join(embedded, z), state)
            logits = self.decoder.output(states[:, 0]).float()
            logits[:, : BOS + 1] = -torch.inf  # <pad> and <s> are never written
            if noise is None:
                word = logits.argmax(-1, keepdim=True)
            else:
                word = torch.multinomial(logits.softmax(-1), 1, generator=noise)
            words.append(word)
            ended |= word[:, 0] == EOS
            if bool(ended.all()):
                break
        rows: list[list[int]] = torch.cat(words, 1).tolist()
        return [row[: row.index(EOS)] if EOS in row else row for row in rows]


def sample(mu: Tensor, logvar: Tensor, noise: Generator) -> Tensor:
    """Return one reparameterised draw from N(mu, exp(logvar)), (B, Z)."""
    epsilon = torch.randn(mu.shape, generator=noise, device=mu.device)
    return mu + epsilon * (0.5 * logvar).exp()


def dropout(x: Tensor, rate: float, noise: Generator | None, time_first: bool = False) -> Tensor:
    """Return ``x`` after inverted dropout, or unchanged without a generator, in evaluation.

    Args:
        x: (B, T, H), laid out in memory in any way.
        rate: share of the numbers set to 0.
        noise: draws the mask.
        time_first: draw it token by token, (T, B, H), and not sentence by sentence. The order is
            part of what a seed means, so it may not depend on the memory that a layer returns.
    """
    if noise is None or rate == 0:
        return x
    # bernoulli_ fills in the order of memory, so the mask has memory of its own.
    if time_first:
        keep = x.new_empty(x.shape[1], x.shape[0], x.shape[2]).transpose(0, 1)
    else:
        keep = x.new_empty(x.shape)
    return x * keep.bernoulli_(1 - rate, generator=noise) / (1 - rate)


class Method(Protocol):
    """The part of a baseline that `build` needs."""

    latent: ClassVar[bool]

    def build(self, model: TextVAE) -> TextVAE:
        """Replace parts of a fresh model, or return it as it is."""


def build(config: ModelConfig, baseline: Method, vocabulary: int, init: Generator) -> TextVAE:
    """Return a newly initialised model, as the baseline builds it, on the CPU.

    Weights are drawn from U(-init, init) and embeddings from U(-init_embedding, init_embedding), in
    the order of the parameters, by the generator ``init``. The baseline's ``build`` follows, whose
    new modules may keep PyTorch's default initialisation: it is drawn by ``init`` as well.
    """
    model = TextVAE(vocabulary, config, baseline.latent)
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    with torch.no_grad():
        for parameter in model.parameters():
            bound = config.init_embedding if id(parameter) in embeddings else config.init
            parameter.uniform_(-bound, bound, generator=init)
    seed = int(torch.randint(2**62, (1,), generator=init))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return baseline.build(model)
