#!/bin/sh
# A search that a shell script drives; awk stands for a training in any language.
# Several of these may run at once, on any machines that reach the storage: they share the search.
#   sh examples/any_program.sh
set -eu
name=${1:-any_program} storage=${2:-any_program.journal}
optiproxy new "$name" "$(dirname "$0")/any_program.json" --budget 12 --storage "$storage"
while query=$(optiproxy ask "$name" --storage "$storage") && [ -n "$query" ]; do
  # 7 {"depth": 2, "width": 16, "norm": "none", "groups": null}: an id, an architecture
  metrics=$(echo "${query#* }" | awk -F '[:,}]' '{
    print "{\"accuracy\":", 1 - ($2 - 4)^2 / 50 - 2 / $4, ", \"megabytes\":", $2 * $4 / 100, "}" }')
  echo "{\"id\": ${query%% *}, \"metrics\": $metrics}" |
    optiproxy tell "$name" --storage "$storage" --json -
done
optiproxy status "$name" --storage "$storage"
