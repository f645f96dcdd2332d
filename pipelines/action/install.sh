#!/usr/bin/env bash
# Second step of action.yml: puts trjit on PATH.
#   in   HOW VERSION DIRECTORY ARCHIVE SUMS (of find.sh), INPUT_SHA256 REPOSITORY_URL
#   out  version
set -euo pipefail

fail() { printf '::error title=trjit::%s\n' "$1"; exit 1; }

own=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$GITHUB_ACTION_PATH/Cargo.toml" | head -n 1)
case $HOW in
installed)
    command -v trjit >/dev/null || fail "\`version: installed\` is asked for, but there is no trjit on PATH"
    bin=$(dirname "$(command -v trjit)")
    ;;
published)
    file=$RUNNER_TEMP/$(basename "$ARCHIVE")
    curl --silent --show-error --fail --location --retry 3 --output "$file" "$ARCHIVE" || fail "$ARCHIVE can not be had"
    listed=$(awk -v name="$(basename "$ARCHIVE")" '$2 == name { print $1 }' "$SUMS")
    expected=${INPUT_SHA256:-$listed}
    found=$(sha256sum "$file" | cut -d ' ' -f 1)
    # Nothing of an archive is touched before its digest is right.
    [ "$found" = "$expected" ] || fail "$ARCHIVE has SHA-256 $found, expected $expected; it is not installed"
    mkdir -p "$DIRECTORY"
    tar -xzf "$file" -C "$DIRECTORY" --strip-components=1
    bin=$DIRECTORY
    ;;
build)
    if [ ! -x "$DIRECTORY/bin/trjit" ]; then
        command -v cargo >/dev/null || fail "trjit $VERSION is not published for this machine, and there is no cargo to build it"
        if [ "$VERSION" = "$own" ]; then
            cargo install --locked --root "$DIRECTORY" --path "$GITHUB_ACTION_PATH/cli"
        else
            cargo install --locked --root "$DIRECTORY" --git "$REPOSITORY_URL" --tag "v$VERSION" trjit-cli
        fi
    fi
    bin=$DIRECTORY/bin
    ;;
esac

found=$("$bin/trjit" --version) || fail "$bin/trjit does not run here"
echo "$found"
[ "$HOW" = installed ] || [ "$(echo "$found" | cut -d ' ' -f 2)" = "$VERSION" ] || fail "$bin/trjit is \`$found\`, expected version $VERSION"
printf 'version=%s\n' "$(echo "$found" | cut -d ' ' -f 2)" >>"$GITHUB_OUTPUT"
printf '%s\n' "$bin" >>"$GITHUB_PATH"
