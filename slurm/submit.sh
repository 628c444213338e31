#!/bin/bash
# slurm/submit.sh STUDY [--pack K] [--limit N] [--dry-run] ... [options of sbatch]; see --help and
# slurm/README.md. Starts `pcbench submit` with the site's settings and interpreter.
script=$(readlink -f "${BASH_SOURCE[0]}") # it may be called through a link
checkout=$(cd "$(dirname "$script")/.." && pwd) || exit 2
if [ -f "$checkout/slurm/site.sh" ]; then
    # shellcheck source=/dev/null
    . "$checkout/slurm/site.sh"
fi
python=${PCBENCH_PYTHON:-python}
if ! command -v "$python" >/dev/null; then
    echo "pcbench: $python: no such interpreter; set PCBENCH_PYTHON in slurm/site.sh" >&2
    exit 2
fi
export PYTHONPATH="$checkout${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m benchmark submit "$@"
