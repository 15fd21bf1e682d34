#!/usr/bin/env bash
# Runs the README's own commands, verbatim and in order, in an empty directory with no network beyond loopback, and
# checks what they answer. `go run .` runs in the background; `make test` is left to the caller.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1:-}" != inside ]; then
	go mod download
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	git -C "$top" ls-files -z --cached --others --exclude-standard | tar -C "$top" --null -T - -cf - | tar -C "$work" -xf -
	cd "$work"
	go build -o /dev/null . # the build needs no network either, but its time is not the README's
	export GOPROXY=off
	if unshare --net true 2>/dev/null; then
		exec_in() { unshare --net --kill-child bash -c "ip link set lo up 2>/dev/null || ifconfig lo up; exec bash '$top/api/scripts/readme.sh' inside"; }
	else
		echo "readme: network namespaces cannot be made here: running with the machine's network"
		exec_in() { bash "$top/api/scripts/readme.sh" inside; }
	fi
	exec_in
	exit
fi

# block N prints the Nth shell block of the README.
block() { awk -v want="$1" '/^```sh$/ {n++; on=1; next} /^```$/ {on=0} on && n==want' README.md; }
fail() { echo "readme: $*"; cat server.out; exit 1; }
expect() { # expect WHAT TEXT PATTERN...
	local what=$1 text=$2; shift 2
	for p in "$@"; do [[ $text == *"$p"* ]] || fail "$what answered: $text (wanted: $p)"; done
	echo "ok: $what"
}

[ "$(block 1)" = "go run ." ] || fail "the first command is not 'go run .'"
[ "$(block 2)" = "make test" ] || fail "the second command is not 'make test'"
setsid bash -c "$(block 1)" >server.out 2>&1 &
server=$!
trap 'kill -TERM -- -$server 2>/dev/null; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 600); do
	curl -fsS http://127.0.0.1:8080/healthcheck >/dev/null 2>&1 && break
	kill -0 $server 2>/dev/null || fail "the server ended"
	sleep 0.2
done
expect "the start" "$(cat server.out)" "127.0.0.1:8080" "data" "curl"
expect "rows in" "$(bash -c "$(block 3)")" '"rows":2' '"receipt":"' '"state":"loaded"'
expect "gzip rows in" "$(bash -c "$(block 4)")" '"rows":2' '"state":"loaded"'
expect "rows of two tables" "$(bash -c "$(block 5)")" '"rows":3' '"state":"loaded"'
first=$(bash -c "$(block 5)")
[ "$first" = "$(bash -c "$(block 5)")" ] || fail "the same Idempotency-Key was answered differently: $first"
expect "rows out" "$(bash -c "$(block 6)")" '{"order":7,"buyer_name":"Ann","paid":true,"total":null}' '{"order":10,"buyer_name":null,"paid":null,"total":2.5}'
expect "csv out" "$(bash -c "$(block 7)")" 'orders,total' '4,23'
shared=$(bash -c "$(block 8)")
expect "a share" "$shared" '"id":"' '"expires_at":"' '"urls":{'
url=$(sed 's/.*"csv":"\([^"]*\)".*/\1/' <<<"$shared")
expect "shared data, without a key" "$(curl -fsS "$url")" 'order,total' '10,2.5'
