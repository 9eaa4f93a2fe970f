#!/bin/sh
# Resolves requirements/lock.txt from pyproject.toml: every dependency of users and developers, for every platform, with
# the hashes of all published files.  torch and the accelerator libraries that only its CUDA builds ask for stay out.
# requirements/runtime.txt is the part of it that running needs, without the tools of developers: for container images.
#
# usage: sh requirements/resolve.sh [path of uv]
set -eu
cd "$(dirname "$0")/.."
uv=${1:-uv}

unlocked="torch triton cuda-bindings cuda-pathfinder cuda-toolkit"
for library in cublas cuda-cccl cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 \
    nccl-cu13 nvjitlink nvshmem-cu13 nvtx; do
    unlocked="$unlocked nvidia-$library"
done
skip=""
for package in $unlocked; do
    skip="$skip --no-emit-package $package"
done

# resolve FILE COMMENT [OPTION...]
resolve() {
    file=$1 comment=$2
    shift 2
    # shellcheck disable=SC2086  # the words of $skip are separate arguments
    "$uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --quiet \
        --no-annotate --output-file "$file" $skip "$@" >/dev/null
    # uv lists what it left out as comments at the end; the comment at the top says why.
    body=$(grep -v '^#' "$file")
    {
        echo "# Written by \`make lock\`; do not edit.  $comment"
        printf '%s\n' "$body"
    } >"$file"
}

resolve requirements/lock.txt "torch is pinned in pyproject.toml and left out here: see CONTRIBUTING.md." \
    --extra dev --extra environments --extra dashboard --extra browser
resolve requirements/runtime.txt "The part of lock.txt that running needs, for container images." --constraint requirements/lock.txt
