#!/usr/bin/env bash
# Drives /api/rest of a server of its own with the official JavaScript client, and reads Arrow answers with the JavaScript
# implementation of Arrow. npm gets both. Wants node, npm, curl and ./scratchdata, as `make postgrest` builds it.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
client=@supabase/postgrest-js@2.119.1
arrow=apache-arrow@21.2.0

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill -TERM "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; }; rm -rf "$work"' EXIT
cd "$work"
cp "$top"/api/scripts/{postgrest,arrow}.mjs .
npm install --silent --no-audit --no-fund --ignore-scripts "$client" "$arrow" >/dev/null
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
SCRATCH_API_PORT=$port SCRATCH_PROMETHEUS_ENABLED=false "$top/scratchdata" >server.out 2>&1 &
server=$!
for _ in $(seq 300); do
	curl -fsS "http://127.0.0.1:$port/healthcheck" >/dev/null 2>&1 && break
	kill -0 "$server" 2>/dev/null || { cat server.out; exit 1; }
	sleep 0.1
done
URL="http://127.0.0.1:$port" node --test --test-reporter=spec postgrest.mjs arrow.mjs
