#!/bin/sh
# Two independent programs share one search: a shell script, and Python that knows no OptiProxy.
#   sh examples/two_programs.sh
set -eu
here=$(dirname "$0") name=${1:-two_programs} storage=${2:-two_programs.journal}
optiproxy new "$name" "$here/any_program.json" --budget 12 --storage "$storage"
sh "$here/any_program.sh" "$name" "$storage" &
python3 - "$name" "$storage" <<'PROGRAM'
import json, subprocess, sys

name, *where = sys.argv[1], "--storage", sys.argv[2]


def optiproxy(command, *options):
    words = ["optiproxy", command, name, *where, *options]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)


while queries := optiproxy("ask", "-n", "2", "--lease", "10m", "--json")["queries"]:
    answers = []
    for query in queries:
        arch = query["architecture"]
        accuracy = 1 - (arch["depth"] - 4) ** 2 / 50 - 2 / arch["width"]
        megabytes = arch["depth"] * arch["width"] / 100
        metrics = {"accuracy": accuracy, "megabytes": megabytes}
        answers.append({"id": query["id"], "metrics": metrics})
    optiproxy("tell", "--json", json.dumps(answers))
PROGRAM
wait
optiproxy status "$name" --storage "$storage"
