#!/usr/bin/env bash
# Fuzz for long: every target at random, then coverage-guided where atheris is installed.
# usage: scripts/fuzz.sh [minutes for all of it, 60] [seed]; findings lie in fuzz/findings
set -uo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-60}
seed=${2:-$RANDOM}
python=${PYTHON:-python}
mapfile -t names < <("$python" -W ignore -c "
import sys; sys.path.insert(0, 'fuzz')
import targets; print('\n'.join(targets.targets()))")
each=$((minutes * 30 / (${#names[@]} + 6)))
echo "seed $seed, $each s for each of ${#names[@]} targets and four times as much for core and store"
failed=0
for name in "${names[@]}"; do
  seconds=$each
  case $name in core | store) seconds=$((each * 4)) ;; esac
  "$python" fuzz/run.py "$name" --number 1000000000 --seconds "$seconds" --seed "$seed" \
    --findings fuzz/findings || failed=1
  if "$python" -c "import atheris" 2>/dev/null; then
    "$python" fuzz/coverage_guided.py "$name" -max_total_time="$seconds" -seed="$seed" \
      -artifact_prefix=fuzz/findings/ -verbosity=0 || failed=1
  fi
done
exit $failed
