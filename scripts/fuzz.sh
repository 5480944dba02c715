#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given ($1, default 20s).
set -euo pipefail
time=${1:-20s}
grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed 's/func //' | sort | while IFS=: read -r file target; do
  echo "== $target in $(dirname "$file")"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$(dirname "$file")"
done
