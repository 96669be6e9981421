#!/usr/bin/env bash
# A newcomer with a stopwatch: runs the commands of docs/quickstart.md one after the other on a clone of its own, and says how many
# there were and what they took. Give it a folder to keep what the commands made. With WITHOUT_AIRFLOW set, Airflow is left out, which
# takes minutes to install.
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

# Reports that Python packages can be installed.
installs() {
  [ -z "${WITHOUT_AIRFLOW:-}" ] || { why="as WITHOUT_AIRFLOW wants it"; return 1; }
  python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { why="there is no Python 3.10 or newer, with venv"; return 1; }
  why="the package index is not reached"
  python3 -m venv "$work/.probe" && "$work/.probe/bin/pip" --quiet --disable-pip-version-check --timeout 20 --retries 1 \
    download --no-deps --dest "$work/.probe" packaging >"$work/.probe/log" 2>&1
}

section="" inside="" skipped="" why="" commands=0 all=0 took=0 start=$(now) start_used=0
finish() {
  [ -z "$skipped" ] || echo "== $section: did not run, $skipped"
  [ "$commands" -gt 0 ] || return 0
  local seconds
  seconds=$(minus "$(now)" "$start")
  all=$((all + commands))
  took=$(awk -v a="$took" -v b="$seconds" 'BEGIN { printf "%.1f", a + b }')
  measure
  echo "== $section: $commands commands, $seconds s, $(minus "$spent" "$start_used") s of processor time"
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
    section=${line#\#\# } commands=0 skipped=""
    if [ "$section" = "From Airflow" ] && ! installs; then skipped=$why; fi
    measure
    start=$(now) start_used=$spent ;;
  *) [ -z "$inside" ] || [ -n "$skipped" ] || run "$line" ;;
  esac
done <"$page"
finish
echo "== in all: $all commands, $took s"
