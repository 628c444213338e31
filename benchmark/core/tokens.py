"""Ids of the three special tokens, which every vocabulary begins with."""

PAD, BOS, EOS = 0, 1, 2
SPECIALS = ("<pad>", "<s>", "</s>")
