"""Sweeps on a cluster: submitting arrays to Slurm, and the task that each array index runs."""
