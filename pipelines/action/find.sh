#!/usr/bin/env bash
# First step of action.yml: where trjit comes from. A release is taken where one is published for the version and this machine; else trjit is built.
#   in   INPUT_VERSION INPUT_DOWNLOAD REPOSITORY_URL
#   out  version, how (installed | published | build), directory, archive and sums (published), key (build)
set -euo pipefail

out() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }
fail() { printf '::error title=trjit::%s\n' "$1"; exit 1; }

own=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$GITHUB_ACTION_PATH/Cargo.toml" | head -n 1)
version=${INPUT_VERSION:-$own}
version=${version#v}
case $version in
installed) out how installed; out version installed; out directory ""; exit 0 ;;
*[!0-9A-Za-z.+-]* | "") fail "version \`$version\` is none; expected one such as $own, or \`installed\`" ;;
esac
out version "$version"

machine=$(uname -m)-$(uname -s | tr '[:upper:]' '[:lower:]')
place=${INPUT_DOWNLOAD:-$REPOSITORY_URL/releases/download}/v$version
archive=trjit-$version-$machine.tar.gz
sums=$RUNNER_TEMP/trjit-$version.SHA256SUMS

# 404 (37: a file: URL without a file) says that nothing is published; anything else that goes wrong is no reason to build for minutes.
status=0
code=$(curl --silent --show-error --location --retry 3 --output "$sums" --write-out '%{http_code}' "$place/SHA256SUMS") || status=$?
if [ "$status" = 37 ] || [ "$code" = 404 ]; then
    found=no
elif [ "$status" != 0 ] || { [ "$code" != 200 ] && [ "$code" != 000 ]; }; then
    fail "$place/SHA256SUMS can not be had (curl: $status, HTTP: $code); try again, or give \`version: installed\` with trjit on PATH"
elif grep -q "  $archive\$" "$sums"; then
    found=yes
else
    found=no
fi

if [ "$found" = yes ]; then
    out how published
    out directory "$RUNNER_TEMP/trjit-$version"
    out archive "$place/$archive"
    out sums "$sums"
else
    # The source decides what is built: the checkout of the action, or, for another version, the tag of that name.
    source=$version
    [ "$version" != "$own" ] || source=$version-$(cd "$GITHUB_ACTION_PATH" && find . -name '*.rs' -not -path './target/*' -o -name Cargo.lock -not -path './target/*' |
        LC_ALL=C sort | xargs -d '\n' cat | sha256sum | cut -c 1-16)
    echo "trjit $version is not published for $machine at $place; it is built from source"
    out how build
    out directory "$RUNNER_TEMP/trjit-$source"
    out key "trjit-build-$machine-$source"
fi
