#!/bin/sh
# The default corpus, from nothing to its card:            runs/corpus.sh [FOLDER]
# With PROOF=1 it is built twice more, once killed five times at random and resumed each time, and all of them must be the same, byte for byte.
set -eu
out=${1:-build/corpus}
bin=${BIN:-.venv/bin}
recipe=${RECIPE:-recipes/corpus/default.toml}

build() { "$bin/nl2dsl" corpus "$recipe" out="$1"; }
digest() { (cd "$1" && sha256sum train.jsonl validation.jsonl test.jsonl unseen.jsonl coverage.json); }
seconds() { date +%s; }

began=$(seconds)
build "$out"
echo "$out: $(($(seconds) - began)) s" >&2
[ "${PROOF:-}" ] || exit 0

rm -rf "$out-again" "$out-killed"
began=$(seconds)
build "$out-again"
echo "$out-again: $(($(seconds) - began)) s" >&2
most=$(($(seconds) - began))

for kill in 1 2 3 4 5; do
    setsid "$bin/nl2dsl" corpus "$recipe" out="$out-killed" 2>/dev/null &
    pid=$!
    after=$(awk -v seed="$(date +%N)$kill" -v most="$most" 'BEGIN { srand(seed); printf "%.1f", 1 + rand() * most / 4 }')
    sleep "$after"
    if kill -9 "$pid" 2>/dev/null; then echo "killed after $after s, $(ls "$out-killed/making" 2>/dev/null | wc -l) files kept" >&2; fi
    wait "$pid" 2>/dev/null || true
done
build "$out-killed"

digest "$out" >"$out-again/sha256"
for other in "$out-again" "$out-killed"; do
    digest "$other" | cmp - "$out-again/sha256"
    echo "$other: the same bytes" >&2
done
