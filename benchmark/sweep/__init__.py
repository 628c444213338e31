"""Study files, and many runs: on this machine and on Slurm."""
