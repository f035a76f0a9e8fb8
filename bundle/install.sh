#!/bin/sh
# Install the bundle without a network: sh install.sh [PYTHON]. Everything stays in this folder.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here" || exit 1
python=${1:-python3}
fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

wanted=$(cat PYTHON)
found=$("$python" -c 'import platform, sys; print("%d.%d" % sys.version_info[:2], sys.platform, platform.machine())' 2>/dev/null) ||
    fail "$python does not run; wanted Python ${wanted%% *} (sh install.sh /path/to/python)"
[ "$found" = "$wanted" ] || fail "found Python for $found; this bundle is for $wanted (sh install.sh /path/to/python)"
printf 'checking the files\n'
sha256sum --quiet --check SHA256SUMS >damaged.log 2>&1 ||
    fail "the bundle is damaged: $(head -n 1 damaged.log); copy it again"
rm -f damaged.log
"$python" -m venv --clear .venv >install.log 2>&1 || fail "cannot make .venv ($(tail -n 1 install.log)); on Debian, python3-venv must be installed"
printf 'installing; the log is install.log\n'
.venv/bin/python -m pip install --no-index --find-links wheels --no-input --disable-pip-version-check \
    -r repository/requirements.txt >install.log 2>&1 || fail "pip failed: $(grep -i '^error' install.log | tail -n 1)"
printf 'installed; start it with sh run.sh\n'
