#!/usr/bin/env bash
# Step of action.yml: under which keys the state of `trjit ci` is looked for and kept.
#
#   PREFIX-CONFIG-MODULE-STATE    PREFIX: system, build of trjit, place of the configuration; CONFIG, MODULE, STATE: digests of files
#
# The keys only find a state that probably fits, the latest of this module first. Whether it does is for `trjit ci` to tell: it compares digests of all that it depends on.
#   in   INPUT_CONFIG INPUT_WORKING_DIRECTORY
#   out  paths, inputs (PREFIX-CONFIG-MODULE), older (prefixes to look for, a line each)
set -euo pipefail

digest() { sha256sum | cut -c 1-16; }

folder=$(dirname "$INPUT_CONFIG")
# A hint, as the above says: a module that is written otherwise is found by its configuration alone.
module=$(sed -n "s/^module *= *[\"']\([^\"']*\)[\"'].*/\1/p" "$INPUT_CONFIG" 2>/dev/null | head -n 1 || true)
of_module=none
if [ -n "$module" ] && [ -f "$folder/$module" ]; then of_module=$(digest <"$folder/$module"); fi
of_config=none
if [ -f "$INPUT_CONFIG" ]; then of_config=$(digest <"$INPUT_CONFIG"); fi

build=$(trjit --version --json | digest)
place=$(printf '%s\n%s\n' "$INPUT_WORKING_DIRECTORY" "$INPUT_CONFIG" | digest)
prefix=trjit-$RUNNER_OS-$RUNNER_ARCH-$build-$place
# As the cache action wants paths: from the checkout on.
state=$(realpath -m --relative-to="$GITHUB_WORKSPACE" "$folder/.trjit")
name=$(basename "$INPUT_CONFIG" .toml)
if [ "$name" != trjit ]; then state=$state/configs/$name; fi
{
    printf 'inputs=%s-%s-%s\n' "$prefix" "$of_config" "$of_module"
    printf 'older<<END\n%s-%s-%s-\n%s-%s-\n%s-\nEND\n' "$prefix" "$of_config" "$of_module" "$prefix" "$of_config" "$prefix"
    printf 'paths<<END\n%s\n%s\n%s\n%s\nEND\n' "$state/state.json" "$state/report.json" "$state/profile.trprof" "$state/out"
} >>"$GITHUB_OUTPUT"
