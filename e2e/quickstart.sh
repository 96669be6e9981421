#!/usr/bin/env bash
# A newcomer with a stopwatch: runs the commands of docs/quickstart.md one after the other on a clone of its own, and says how many
# there were and what they took. Give it a folder to keep what the commands made.
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
page=$repo/docs/quickstart.md
kept=${1:-}
work=${kept:-$(mktemp -d)}
mkdir -p "$work"
cd "$work"

cleanup() {
  kill $(jobs -p) 2>/dev/null || true
  wait
  [ -n "$kept" ] || rm -rf "$work"
}
trap cleanup EXIT

now() { date +%s.%N; }
# Sets spent to the seconds of processor time that commands which have ended took.
measure() {
  times >"$work/.times" # of this shell, so no pipe
  spent=$(tail -1 "$work/.times" | sed 's/[ms]/ /g' | awk '{ print $1 * 60 + $2 + $3 * 60 + $4 }')
}
minus() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a - b }'; }

section="" inside="" commands=0 all=0 began=$(now) start=$(now) start_used=0
finish() {
  [ "$commands" -gt 0 ] || return 0
  all=$((all + commands))
  measure
  echo "== $section: $commands commands, $(minus "$(now)" "$start") s, $(minus "$spent" "$start_used") s of processor time"
}
run() {
  local from status=0
  from=$(now)
  commands=$((commands + 1))
  echo "\$ $1"
  eval "${1//URL/$repo}" </dev/null || status=$?
  [ "$status" = 0 ] || { echo "quickstart: status $status of: $1"; exit 1; }
  echo "  ($(minus "$(now)" "$from") s)"
}
while IFS= read -r line; do
  case $line in
  '```sh') inside=yes ;;
  '```') inside="" ;;
  '## '*)
    finish
    measure
    section=${line#\#\# } commands=0 start=$(now) start_used=$spent ;;
  *) [ -z "$inside" ] || run "$line" ;;
  esac
done <"$page"
finish
echo "== in all: $all commands, $(minus "$(now)" "$began") s"
