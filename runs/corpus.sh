#!/bin/sh
# The default corpus, from nothing or from where it was killed to its card:     runs/corpus.sh [FOLDER]
# With PROOF=1 three are built in FOLDER-proof, one of them killed five times at random, and must be the same, byte for byte; the last line is the verdict, the status is 0 if it is proven.
set -eu
out=${1:-build/corpus}
bin=${BIN:-.venv/bin}
recipe=${RECIPE:-recipes/corpus/default.toml}

if [ "${PROOF:-}" ]; then exec "$bin/python" -m benchmarks.corpus "$recipe" --out "$out-proof"; fi
exec "$bin/nl2dsl" corpus "$recipe" out="$out"
