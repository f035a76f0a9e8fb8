#!/bin/sh
# Start the app of an installed bundle: sh run.sh [FLAGS OF app.py]; or any of its Python: sh run.sh -m cacara …
set -u
here=$(cd "$(dirname "$0")" && pwd)
[ -x "$here/.venv/bin/python" ] || { printf 'error: not installed; run sh install.sh first\n' >&2; exit 1; }
export CACARA_CACHE="$here/cache" HF_HUB_OFFLINE=1 PYTHONUTF8=1
if [ "${1:-}" = -m ]; then
    cd "$here/repository" && exec "$here/.venv/bin/python" "$@"
fi
exec "$here/.venv/bin/python" "$here/repository/app.py" --database "$here/data/feedback.db" "$@"
