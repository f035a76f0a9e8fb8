#!/bin/sh
# Make a virtual environment and install pinned requirements: sh install.sh PYTHON VENV REQUIREMENTS
# uv installs where it is on the path, pip otherwise; their own words go to VENV/install.log, a failure is one line.
set -u
python=$1 venv=$2 requirements=$3
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not installed; wanted Python 3.11 or newer (make PYTHON=/path/to/python)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version 2>&1) is too old; wanted Python 3.11 or newer (make PYTHON=/path/to/python)"
if [ ! -x "$venv/bin/pip" ]; then
    printf 'making %s\n' "$venv"
    message=$("$python" -m venv --clear "$venv" 2>&1) ||
        fail "cannot make $venv ($(printf '%s' "$message" | tail -n 1)); on Debian, python3-venv must be installed and the disk writable"
fi
printf 'installing %s (some 7 GB at the first time; the log is %s/install.log)\n' "$requirements" "$venv"
start=$(date +%s)
if command -v uv >/dev/null; then
    installer=uv
    uv pip install --python "$venv/bin/python" --no-progress -r "$requirements" >"$venv/install.log" 2>&1 &
else
    installer=pip
    "$venv/bin/pip" install --no-input --disable-pip-version-check --progress-bar off -r "$requirements" >"$venv/install.log" 2>&1 &
fi
pip=$!
# A background command ignores Ctrl-C, so it has to be ended here.
trap 'kill "$pip" 2>/dev/null; exit 130' INT TERM
while kill -0 "$pip" 2>/dev/null; do
    sleep 5
    if [ -t 1 ]; then printf '\r%ss  %.70s\033[K' "$(($(date +%s) - start))" "$(tail -n 1 "$venv/install.log" | tr -d '\r')"; fi
done
[ -t 1 ] && printf '\r\033[K'
wait "$pip" || fail "$installer failed: $(grep -i '^error' "$venv/install.log" | tail -n 1 | cut -c1-300) (see $venv/install.log)"
printf 'installed in %s s\n' "$(($(date +%s) - start))"
