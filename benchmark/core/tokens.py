"""The tokens that every vocabulary begins with: padding, a sentence's beginning and its end."""

PAD, BOS, EOS = 0, 1, 2
SPECIALS = ("<pad>", "<s>", "</s>")
