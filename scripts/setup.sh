#!/bin/sh
# Sets up .venv beside this repository's pyproject.toml and installs the package into it:
#
#     sh scripts/setup.sh          what a search needs
#     sh scripts/setup.sh test     and what the tests need
#
# By hand the same is: python3 -m venv .venv && .venv/bin/pip install -e '.[test]'. What this script
# adds is the CPU build of torch where there is no GPU, and that a second call costs nothing.
set -eu
cd "$(dirname "$0")/.."

TORCH=2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

extra=${1:-}
python=.venv/bin/python

# The stamp holds what the installation depends on, rather than a time: a copied or moved folder and
# a changed pyproject.toml set up again, a fresh checkout of the same one does not.
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
    echo "setup: Python 3.11 or newer is needed and none was found; name one with PYTHON=/its/path" >&2
    exit 1
  fi
  "$base" -m venv --clear .venv
fi

# torch first, since the package's own requirement would be met by gigabytes of CUDA libraries.
# Without dependencies: those follow with the package, and from the usual index alone.
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'; then
  if nvidia-smi >/dev/null 2>&1; then
    echo "setup: installing torch (an NVIDIA GPU is visible)" >&2
    "$python" -m pip install --quiet torch
  else
    echo "setup: installing torch (CPU)" >&2
    # No retries and a short time-out: a CPU index that can't be reached is passed over in seconds.
    # Where no wheel is marked +cpu (macOS), the plain one is the CPU build.
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
