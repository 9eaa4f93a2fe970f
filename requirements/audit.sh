#!/bin/sh
# Looks up every locked package in the public lists of known vulnerabilities.  Where the network does not allow it, says so and passes:
# a list that cannot be read is no finding.
#
# usage: sh requirements/audit.sh [python]
set -u
cd "$(dirname "$0")/.."
python=${1:-python3}
version=2.10.1
# A folder of its own: what the audit needs is no part of what it audits.
tool=${NETAGENTS_AUDIT_VENV:-.venv/audit}

if [ ! -x "$tool/bin/pip-audit" ]; then
    if ! { "$python" -m venv "$tool" && "$tool/bin/pip" install --quiet --disable-pip-version-check "pip-audit==$version"; } >/dev/null 2>&1; then
        rm -rf "$tool"
        echo "audit skipped: pip-audit $version cannot be installed from here (no network?)"
        exit 0
    fi
fi
said=$("$tool/bin/pip-audit" --requirement requirements/lock.txt --disable-pip --require-hashes --timeout 15 --progress-spinner off 2>&1)
code=$?
unknown=$(printf '%s\n' "$said" | grep -c "could not be audited")
case "$said" in
*"No known vulnerabilities found"*)
    total=$(grep -c '^[A-Za-z0-9].*==' requirements/lock.txt)
    echo "audit: no known vulnerabilities in $((total - unknown)) of $total locked packages; of the others the index here knows nothing"
    ;;
*"Found "*)
    printf '%s\n' "$said"
    exit "$code"
    ;;
*)
    echo "audit skipped: the lists of vulnerabilities cannot be read from here (no network?)"
    ;;
esac
