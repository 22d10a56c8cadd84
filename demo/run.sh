#!/usr/bin/env bash
# Serves config.yaml with the simulated provider beside it until Ctrl-C: makes the secrets that are missing and, the first time, a key to call with.
set -euo pipefail
cd "$(dirname "$0")/.."
gateway=.venv/bin/gateway
tenant=acme

"$gateway" init
if ! "$gateway" keys list --tenant "$tenant" --json | grep -q '"state": "active"'; then
  key=$("$gateway" keys create --tenant "$tenant" --name demo --team support --route '*' 2>/dev/null)
  printf '\nA key of tenant %s, shown this once: %s\n(another one: %s keys create --tenant %s --name NAME --team TEAM)\n\n' "$tenant" "$key" "$gateway" "$tenant"
fi

pids=()
stop() {
  trap - EXIT
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  wait
}
trap stop EXIT
trap 'exit 0' INT TERM

"$gateway" simulate --script demo/provider.yaml --listen 127.0.0.1:9101 &
pids+=($!)
"$gateway" run &
pids+=($!)
# Whichever ends first ends the other, and its exit code is the answer.
wait -n
