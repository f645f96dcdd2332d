#!/usr/bin/env bash
# Step of action.yml: `trjit ci`, which writes the summary, annotations and outputs itself.
#   in   INPUT_CONFIG INPUT_ARGS INPUT_ACCEPT
#   out  those of `trjit ci`; state: a digest of what it keeps, where that has changed and is worth saving
set -euo pipefail

words=()
read -r -d '' -a words <<<"$INPUT_ARGS" || true
case $INPUT_ACCEPT in
true) words+=(--accept) ;;
false | "") ;;
*) printf '::error title=trjit::accept is `%s`, expected true or false\n' "$INPUT_ACCEPT"; exit 1 ;;
esac

kept=$(dirname "$INPUT_CONFIG")/.trjit
# As `trjit ci` has it: a configuration of another name has a directory of its own.
name=$(basename "$INPUT_CONFIG" .toml)
if [ "$name" != trjit ]; then kept=$kept/configs/$name; fi
kept=$kept/state.json
digest() { if [ -f "$kept" ]; then sha256sum "$kept" | cut -c 1-16; fi; }

before=$(digest)
status=0
trjit ci --config "$INPUT_CONFIG" ${words[@]+"${words[@]}"} || status=$?
after=$(digest)
if [ "$before" != "$after" ]; then printf 'state=%s\n' "$after" >>"$GITHUB_OUTPUT"; fi
exit "$status"
