"""The ids that every vocabulary begins with: padding, the beginning and the end of a sentence."""

PAD, BOS, EOS = 0, 1, 2
