#!/bin/sh
# Builds the sdist and, from it, the wheel, installs the wheel in a clean environment, and runs it outside the repository.
#
# usage: sh requirements/test_wheel.sh [python]     the python has hatchling; its version is that of the environment
set -eu
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
case $python in */*) python=$PWD/${python#"$PWD"/} ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PIP_DISABLE_PIP_VERSION_CHECK=1

"$python" -m hatchling build --target sdist --directory "$work/dist"
mkdir "$work/source"
tar -xzf "$work"/dist/netagents-*.tar.gz -C "$work/source" --strip-components 1
# What users get from an sdist is what they get from the repository.
(cd "$work/source" && "$python" -m hatchling build --target wheel --directory "$work/dist")
"$python" -m hatchling build --target wheel --directory "$work/direct"
"$python" - "$work"/dist/*.whl "$work"/direct/*.whl <<'CHECK'
import sys, zipfile
names = [set(zipfile.ZipFile(path).namelist()) for path in sys.argv[1:]]
assert names[0] == names[1], f"only in one of the two wheels: {sorted(names[0] ^ names[1])}"
for wanted in ("netagents/py.typed", "netagents/_data/launch/quickstart.yaml", "netagents/_data/topologies/abilene.graphml"):
    assert wanted in names[0], f"the wheel has no {wanted}"
strays = [name for name in names[0] if not name.startswith("netagents")]
assert not strays, f"the wheel holds more than the package: {strays}"
CHECK

# The versions of the lock, so that a release of somebody else's does not fail this; `make test-versions` looks at others.
grep '^[A-Za-z0-9]' requirements/runtime.txt | sed 's/ *\\$//' >"$work/constraints.txt"
cat requirements/torch.txt >>"$work/constraints.txt"
"$python" -m venv "$work/clean"
"$work/clean/bin/pip" install --quiet --constraint "$work/constraints.txt" "$work"/dist/*.whl

cd "$work"
PATH=$work/clean/bin:$PATH
netagents --version
netagents topology list >/dev/null
netagents run quickstart learning.iterations=2 --quiet --out run >/dev/null
netagents run line_msg topology.n=3 learning.iterations=2 learning.algorithm.kind=ppo runtime.launcher=in_process --quiet --out networks >/dev/null
netagents run epidemic_abilene learning.iterations=2 --quiet --out epidemic >/dev/null
netagents exact line_msg topology.n=3 kappa=1 --out tables >/dev/null
test -s run/report.html
echo "the wheel works in an environment of its own"
