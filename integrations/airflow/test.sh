#!/usr/bin/env bash
# Makes a Python environment with Airflow, once, and tests the provider in it against a live cluster. Where there is no Python or no
# package index it says so and succeeds; with --install that is all. QUERN_AIRFLOW_VENV is where the environment is (default: integrations/airflow/.venv).
set -euo pipefail
cd "$(dirname "$0")"
venv=${QUERN_AIRFLOW_VENV:-.venv}

skip() {
  echo "the tests of the Airflow provider did not run: $1"
  exit 0
}

wanted=$(cat requirements-test.txt pyproject.toml | sha256sum | cut -c1-16)
if [ ! -e "$venv/$wanted" ]; then
  python=$(command -v python3) || skip "there is no python3 here"
  "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip "they need Python 3.10 or newer, with venv"
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
  pip --timeout 20 --retries 1 "$(grep pytest requirements-test.txt)" 2>"$venv/pip.log" || skip "the package index is not reached: $(tail -1 "$venv/pip.log")"
  pip --requirement requirements-test.txt
  pip --no-build-isolation --editable .
  touch "$venv/$wanted"
fi
[ "${1:-}" != --install ] || exit 0
"$venv/bin/python" -m mypy
exec "$venv/bin/python" -m pytest "$@"
