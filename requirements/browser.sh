#!/bin/sh
# Chromium for the tests of the live page, where this machine is Debian's and may be changed; elsewhere the tests are skipped and say so.
set -eu
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 && exit 0
    echo "browser: chromium could not be installed; the tests of the live page are skipped"
else
    echo "browser: there is no chromium; the tests of the live page are skipped"
fi
