"""How much of a sentence comes back: BLEU of greedy reconstructions."""

from collections.abc import Sequence
from typing import Any

from benchmark.core.errors import library


def scorer() -> Any:
    """The library sacrebleu, which evaluation without BLEU does not need.

    Raises:
        UserError: it cannot be imported.
    """
    return library("sacrebleu", "leave BLEU out: evaluate.bleu = false")


def reconstruction_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU-4 of reconstructions against their sentences, 0 to 100.

    The tokens are taken as they are (split at blanks, case kept). Source: Post 2018, "A Call for
    Clarity in Reporting BLEU Scores", arXiv 1804.08771 (sacrebleu, ``tokenize="none"``).

    Args:
        hypotheses: N decoded sentences.
        references: the N sentences they were encoded from.

    Raises:
        ValueError: none, or not as many of one as of the other.
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(
            f"BLEU needs a reference each: {len(hypotheses)} and {len(references)} sentences"
        )
    # force: the text is tokenised on purpose; no warning about it
    score = scorer().corpus_bleu(list(hypotheses), [list(references)], tokenize="none", force=True)
    return float(score.score)
