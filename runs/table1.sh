#!/bin/sh
# Table 1 of the paper for our bases: every base x shots in training x shots at test.        runs/table1.sh [OUT]
# Started again it goes on where it was. On a GPU with real bases: RECIPE=recipes/sweep/gpu.toml runs/table1.sh
# Other settings as they are: SETTINGS="evaluate.limit=200 seed=1" runs/table1.sh build/table1-seed1
set -eu
bin=${BIN:-.venv/bin}
recipe=${RECIPE:-recipes/sweep/small.toml}
# shellcheck disable=SC2086
exec "$bin/nl2dsl" sweep "$recipe" ${1:+out="$1"} ${SETTINGS:-}
