"""What a run reads: a data set's vocabulary, its sentences, and the language behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.data.exact import ExactLanguage
from benchmark.data.prepared import Split
from benchmark.data.vocabulary import Vocabulary

__all__ = ["Corpus", "Split"]


@dataclass(frozen=True, eq=False)
class Corpus:
    """A data set as training and evaluation see it.

    Attributes:
        spec: its canonical name with settings, such as ``exact_small:fresh=true,mix=0.2``.
        vocabulary: between ids and text.
        splits: ``train``, ``valid`` and ``test``.
        sha256: the identity of the data, equal to ``benchmark.data.find(spec).identity``.
        language: the process that generated it, or None for real text.
        text_sha256: the identity of the text, whatever its vocabulary; empty: ``sha256``.
        words: scored words by split, each sentence's and one for its end; empty: the tokens.
        substituted: words by split that the tokens do not bring back; empty: none.
    """

    spec: str
    vocabulary: Vocabulary
    splits: dict[str, Split]
    sha256: str
    language: ExactLanguage | None = None
    text_sha256: str = ""
    words: Mapping[str, int] = field(default_factory=dict)
    substituted: Mapping[str, int] = field(default_factory=dict)

    @property
    def fresh(self) -> bool:
        """Whether every epoch has newly drawn training sentences."""
        return self.language is not None and self.language.settings.fresh

    def scored_words(self, split: str) -> int:
        """Count the words of a split and an end for each sentence: what nats a word refer to."""
        return self.words.get(split, int(self.splits[split].lengths.sum()))

    def training_split(self, seed: int, epoch: int) -> Split:
        """Return the training sentences of an epoch, a function of the data, seed and epoch."""
        if self.language is not None and self.fresh:
            return self.language.fresh(seed, epoch)
        return self.splits["train"]
