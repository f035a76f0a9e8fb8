#!/bin/sh
# The browser tests drive Debian's Chromium. As root it is installed when it is missing; otherwise the
# browser tests say that they were left out.
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium"
    log=$(mktemp)
    if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1; then
        exit 0
    fi
    printf 'error: apt-get could not install chromium: %s\n' "$(grep '^E:' "$log" | tail -n 1)" >&2
    exit 1
fi
echo "note: chromium is not installed, so the browser tests are left out (apt-get install chromium)" >&2
