#!/bin/sh
# Proves the profiles against the real application and Redis: ./contract.sh
# Needs python3 (3.11 or newer) with venv and pip; installs redis-server from Debian if it is missing and we are root.
set -eu
cd "$(dirname "$0")"
venv=${CONTRACT_VENV:-.venv-contract}

if ! command -v redis-server >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "contract: installing redis-server"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server; } >/dev/null
    else
        echo "contract: redis-server is needed; install it and run this again" >&2
        exit 2
    fi
fi

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# The locked versions, as in the image.
UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT="$venv" "$venv/bin/uv" sync --quiet --frozen --inexact

cmp ../k8s/k8s.yaml ../k8s/base/k8s.yaml
"$venv/bin/python" -m pytest -q
exec "$venv/bin/python" contract_test.py
