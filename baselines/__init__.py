"""One file, one method: the folder is the registry, read by `benchmark.model.registry`.

The docstring of each file says in one line what the method is, and then gives its formula, source,
settings in the source and differences here. In the formulas rec and KL are the reconstruction and
the KL of a sentence in nats, averaged over the batch; t is the part of training done, 0 to 1.
"""
