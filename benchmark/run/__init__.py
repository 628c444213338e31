"""One run: train, evaluate, resume, record."""
