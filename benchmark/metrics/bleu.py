"""BLEU of greedy reconstructions: how much of each sentence is recovered."""

from collections.abc import Sequence
from typing import Any

from benchmark.core.errors import library


def scorer() -> Any:
    """Return the module sacrebleu, which only an evaluation with BLEU needs.

    Raises:
        UserError: it cannot be imported.
    """
    return library("sacrebleu", "leave BLEU out: evaluate.bleu = false")


def reconstruction_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return corpus BLEU-4 of N reconstructions against their N sentences, 0 to 100.

    The tokens are taken as they are: split at blanks, case kept. Source: Post 2018, "A Call for
    Clarity in Reporting BLEU Scores", arXiv 1804.08771 (sacrebleu, ``tokenize="none"``).
    """
    # Without force, sacrebleu warns that the text is tokenised, as it is meant to be.
    score = scorer().corpus_bleu(list(hypotheses), [list(references)], tokenize="none", force=True)
    return float(score.score)
