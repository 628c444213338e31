#!/bin/bash
# slurm/submit.sh STUDY [--pack K] [--limit N] [--dry-run] ... [options of sbatch]; see --help and
# slurm/README.md. Starts `pcbench submit` with the site's settings and interpreter.
checkout=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")") # also through a link
if [ -f "$checkout/slurm/site.sh" ]; then
    # shellcheck source=/dev/null
    . "$checkout/slurm/site.sh"
fi
export PYTHONPATH="$checkout${PYTHONPATH:+:$PYTHONPATH}"
# The jobs take the interpreter of this process.
if [ -n "$PCBENCH_PYTHON" ]; then
    if ! command -v "$PCBENCH_PYTHON" >/dev/null; then
        echo "pcbench: $PCBENCH_PYTHON: no such interpreter; set PCBENCH_PYTHON in slurm/site.sh" >&2
        exit 2
    fi
    exec "$PCBENCH_PYTHON" -m benchmark submit "$@"
elif command -v pcbench >/dev/null; then
    exec pcbench submit "$@"
elif [ -x "$checkout/.venv/bin/python" ]; then
    exec "$checkout/.venv/bin/python" -m benchmark submit "$@"
fi
echo "pcbench: no pcbench on the PATH and no $checkout/.venv; run: make -C '$checkout' install" >&2
exit 2
