#!/usr/bin/env bash
# Runs the tests of storage, and whole jobs, on servers that speak S3, Google Cloud Storage and Azure Blob Storage: versitygw over
# a folder, fake-gcs-server, Azurite. It installs them once, below the folder given (they need Go and npm), and stops them. With
# --install behind the folder it only installs; any other words there are a command to run beside the servers instead of the tests.
# OBJECTS, if it is set, is how many objects the test of long listings makes on the S3 server first; the others cannot hold as many.
set -euo pipefail
tools=$(mkdir -p "${1:?usage: e2e/stores.sh FOLDER}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."

skip() { echo "stores: skipped: $1"; exit 0; }
command -v npm >/dev/null || skip "npm is not installed, and Azurite needs it"
export GOBIN=$tools/bin CGO_ENABLED=0
[ -x "$GOBIN/versitygw" ] || go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 || skip "versitygw cannot be installed"
[ -x "$GOBIN/fake-gcs-server" ] || go install github.com/fsouza/fake-gcs-server@v1.56.1 || skip "fake-gcs-server cannot be installed"
azurite=$tools/node_modules/.bin/azurite-blob
[ -x "$azurite" ] || npm install --silent --no-audit --no-fund --prefix "$tools" azurite@3.37.0 || skip "azurite cannot be installed"

[ "${2:-}" != --install ] || exit 0
state=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$state"' EXIT
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo "$1"; }
s3=$(free 19101) gcs=$(free 19102) azure=$(free 19103)

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=testtest STORAGE_EMULATOR_HOST=127.0.0.1:$gcs
# Azurite's account, which its manual gives: it is the same everywhere.
export AZURE_STORAGE_ACCOUNT=devstoreaccount1
export AZURE_STORAGE_KEY=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
mkdir -p "$state/s3/lake" "$state/gcs/lake"
start() { local log=$state/$1.log; shift; "$@" >"$log" 2>&1 & servers+=($!); }
start s3 env ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY "$GOBIN/versitygw" --port "127.0.0.1:$s3" posix "$state/s3"
start gcs "$GOBIN/fake-gcs-server" -scheme http -host 127.0.0.1 -port "$gcs" -public-host "127.0.0.1:$gcs" -backend memory -data "$state/gcs"
start azure "$azurite" --silent --inMemoryPersistence --skipApiVersionCheck --disableTelemetry --blobHost 127.0.0.1 --blobPort "$azure"
for port in $s3 $gcs $azure; do
  for try in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    [ "$try" -lt 100 ] || { tail -n 20 "$state"/*.log; exit 1; }
    sleep 0.2
  done
done

export QUERN_STORES="s3://lake/tests?endpoint=http://127.0.0.1:$s3&region=us-east-1&use_path_style=true gs://lake/tests azblob://lake/tests?domain=127.0.0.1:$azure&protocol=http&localemu=true"
shift
[ $# = 0 ] || { "$@"; exit; }
[ -z "${OBJECTS:-}" ] || QUERN_OBJECTS=$OBJECTS go test ./storage -run 'TestLongListing/(local|s3_server)' -count=1 -v -timeout 1h | grep -E '^( {4})?---|^(ok|FAIL|PASS|panic)|_test.go'
go test ./storage -run 'TestConformance|TestFaultsOfStores|TestLongListing|TestFoldersNotListed' -count=1 -v | grep -E '^( {4})?---|^(ok|FAIL|PASS|panic)|_test.go'
go test ./e2e -run 'TestStores' -count=1 -v | grep -E '^( {4})?---|^(ok|FAIL|PASS|panic)|_test.go'
