#!/usr/bin/env bash
# Draws what the command line shows on a terminal: drives quern in tmux, at 80 and at 120 columns, and saves what stands on the
# screen as text. usage: e2e/captures.sh QUERN FOLDER. Run ids, times and rates are others each time.
set -euo pipefail
quern=$(realpath "${1:?usage: e2e/captures.sh QUERN FOLDER}")
out=$(mkdir -p "${2:?usage: e2e/captures.sh QUERN FOLDER}" && realpath "$2")
command -v tmux >/dev/null || { echo "captures: skipped: tmux is not installed"; exit 0; }
work=/tmp/quern-demo
rm -rf "$work"
mkdir -p "$work/bin"
ln -s "$quern" "$work/bin/quern"
cd "$work"
export PATH=$work/bin:$PATH
servers=()
screen() { tmux -u -L quern-captures "$@"; }
trap 'screen kill-server 2>/dev/null || true; kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

quern datagen events --out events --impressions "${IMPRESSIONS:-1M}" --users 200k --items 20k --days 2 >/dev/null 2>&1
cat >ranked.yaml <<END
name: ranked
sources:
  impressions: {path: events/impressions, partitions: {day: date}}
steps:
  - name: once
    dedupe: {from: impressions, keys: [event_id], order_by: [available_at]}
  - name: by_user
    sql: SELECT user_id, count(*) AS shown, avg(position) AS depth FROM once GROUP BY user_id
  - name: ranked
    sql: SELECT o.*, u.shown, u.depth FROM once o JOIN by_user u ON o.user_id = u.user_id ORDER BY o.item_id, o.event_id
outputs:
  - {name: ranked, from: ranked, shards: 4}
END
# Seven rows in ten are of one user, and the task that sorts them has too little memory.
cat >events.sql <<END
SELECT id AS event, CASE WHEN id % 10 < 7 THEN 7 ELSE hash(id) % 100000 END AS user, concat('event-', id % 977) AS what,
  timestamp_seconds(1700000000 + hash(id, 5) % 10000000) AS t
FROM range(0, 600000)
END
cat >skewed.yaml <<END
name: skewed
sources:
  events: {path: events.parquet}
steps:
  - name: placed
    sql: SELECT user, what, t, row_number() OVER (PARTITION BY user ORDER BY t, event) AS place FROM events
  - name: out
    sql: SELECT user, max(place) AS places, min(t) AS first FROM placed WHERE place % 3 = 0 GROUP BY user
outputs:
  - {name: out, from: out, shards: 2}
END

begin() { # WIDTH HEIGHT
  screen kill-server 2>/dev/null || true
  sleep 1 # the server before it ends
  screen -f /dev/null new-session -d -s demo -x "$1" -y "$2" "env -i HOME=$work TERM=screen LANG=C.UTF-8 PATH=$PATH QUERN_COORDINATOR=${QUERN_COORDINATOR:-} PS1='\$ ' sh"
  await '^\$'
}
type() { screen send-keys -t demo "$1" Enter; }
fresh() { # COMMAND, on an empty screen
  type clear
  sleep 0.5
  type "$1"
}
interrupt() { screen send-keys -t demo C-c; }
shown() { screen capture-pane -p -t demo; }
await() { # PATTERN: until the screen has it
  for _ in $(seq 1200); do
    if shown | grep -qE "$1"; then return; fi
    sleep 0.1
  done
  echo "captures: the screen does not come to show $1:" >&2
  shown >&2
  exit 1
}
save() { # NAME
  sleep 0.3
  shown | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$out/$1.txt"
  echo "$1"
}

for width in 80 120; do
  begin "$width" 24
  type 'quern run ranked.yaml --memory 300MiB'
  await '^3 .*[1-3]/6 .*[0-9] running .*rows/s'
  save "run-$width"
  await 'succeeded in'
  save "run-ended-$width"
  fresh 'quern run ranked.yaml --memory 300MiB'
  await '[0-9] running .*(rows/s|ETA)'
  interrupt
  await 'was cancelled'
  save "cancelled-$width"
done
begin 80 6
type 'quern run ranked.yaml --memory 300MiB'
await '^3 .*[1-3]/6 .*[0-9] running'
save run-low-80
interrupt
await 'was cancelled'

quern sql -f events.sql --format parquet --out events.parquet >/dev/null
slow=$(quern run skewed.yaml --workers 2 --slots 1 --memory 48MiB --state slow --quiet -o json | sed -n 's/^  "run_id": "\(.*\)",$/\1/p')
for width in 80 120; do
  begin "$width" 60
  type "quern why-slow $slow --state slow"
  await 'Where the time went'
  save "why-slow-$width"
  fresh "quern profile $slow --state slow"
  await 'tasks: 2 of 2 done'
  save "profile-$width"
done

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo "$1"; }
port=$(free 19111)
export QUERN_COORDINATOR=http://127.0.0.1:$port
quern coordinator --id c1 --listen "127.0.0.1:$port" --state c1 2>/dev/null & servers+=($!)
until quern runs >/dev/null 2>&1; do sleep 0.1; done
for i in 1 2; do quern worker --scratch "w$i" --slots 1 --memory 300MiB 2>/dev/null & servers+=($!); done
quern submit ranked.yaml --run-id monday --wait --quiet >/dev/null
for width in 80 120; do
  quern submit ranked.yaml --again --run-id "tuesday-$width" >/dev/null
  begin "$width" 30
  type 'quern top'
  await '[0-9] running .*rows/s'
  save "top-$width"
  interrupt
  fresh "quern status tuesday-$width"
  await 'STAGE'
  save "status-$width"
  quern cancel "tuesday-$width" >/dev/null
  fresh 'quern runs; quern workers'
  await 'WORKER'
  save "runs-$width"
done
