#!/usr/bin/env bash
# Installs a cargo tool in the version that the project is checked with, unless it is there in some version.
# usage: scripts/tool.sh cargo-deny 0.20.2
set -euo pipefail

tool=$1
version=$2

if command -v "$tool" >/dev/null 2>&1; then
    exit 0
fi
echo "installing $tool $version"
cargo install --locked --quiet "$tool" --version "$version"
