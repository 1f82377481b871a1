#!/bin/sh
# Sets up .venv beside pyproject.toml and installs the package into it:
#
#     sh scripts/setup.sh          what a search needs
#     sh scripts/setup.sh test     and what the tests need
#
# The same by hand: python3 -m venv .venv && .venv/bin/pip install -e '.[test]'. This script also takes
# the CPU build of torch where there is no GPU, and does nothing when called again.
set -eu
cd "$(dirname "$0")/.."

TORCH=2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

extra=${1:-}
python=.venv/bin/python

# The stamp holds the folder and the checksum of pyproject.toml, not a time: a moved folder or another
# pyproject.toml is set up again, a fresh checkout of the same one is not.
wanted="$(pwd) $(cksum <pyproject.toml)"
stamp=".venv/installed${extra:+-$extra}"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

if ! "$python" -c '' 2>/dev/null; then
  for candidate in "${PYTHON:-}" python3.11 python3 python3.14 python3.13 python3.12; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      base=$candidate
      break
    fi
  done
  if [ -z "${base:-}" ]; then
    echo "setup: Python 3.11 or newer is needed and none was found; set PYTHON=/path/to/python3" >&2
    exit 1
  fi
  "$base" -m venv --clear .venv
fi

# torch first: as a requirement of the package it would come with gigabytes of CUDA libraries. Without
# dependencies, so that these come with the package and from the usual index only.
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'; then
  if nvidia-smi >/dev/null 2>&1; then
    echo "setup: installing torch (an NVIDIA GPU is visible)" >&2
    "$python" -m pip install --quiet torch
  else
    echo "setup: installing torch (CPU)" >&2
    # No retries and a short time-out, so that an unreachable CPU index costs seconds only. Where no
    # wheel is marked +cpu (macOS), the plain one is the CPU build.
    "$python" -m pip install --quiet --no-deps --retries 0 --timeout 10 \
      --extra-index-url "$TORCH_CPU_INDEX" "torch==$TORCH+cpu" ||
      "$python" -m pip install --quiet "torch==$TORCH"
  fi
fi

echo "setup: installing optiproxy and its requirements" >&2
"$python" -m pip install --quiet --editable ".${extra:+[$extra]}"

rm -f .venv/installed*
echo "$wanted" >.venv/installed
echo "$wanted" >"$stamp"
echo "setup: done" >&2
