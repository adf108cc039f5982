# shellcheck shell=bash
# Sourced: one line a step with its seconds, and failures that say what happened, where to look and what to do.

# all of what failed goes here, and one log a step in $SEATRIAL_CACHE/log
LOG_FOLDER=$SEATRIAL_CACHE/log
mkdir -p "$LOG_FOLDER"

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

seconds_since() { # MILLISECONDS
  local passed=$(($(now_ms) - $1))
  printf '%d.%d s' $((passed / 1000)) $((passed % 1000 / 100))
}

say() { printf '%s\n' "$*" >&2; }

# fail WHAT [WHAT TO DO NEXT]
fail() {
  say "FAILED: $1"
  [ -z "${2:-}" ] || say "  what to do: $2"
  exit 1
}

# step WHAT COMMAND...: runs the command with its output in a log; one line on success, the log's end on failure.
# STEP_HINT, if set, is what to do when it fails. Never call it in a condition: there bash would ignore errors inside.
step() {
  local what=$1 log started status
  shift
  log=$LOG_FOLDER/$(tr -cs 'A-Za-z0-9.' '-' <<<"$what" | sed 's/-*$//').log
  started=$(now_ms)
  [ ! -t 2 ] || printf '  %s ...\r' "$what" >&2
  set +e
  (
    set -e
    # a process that outlives this command must not hold its lock
    [ -z "${LOCK:-}" ] || exec {LOCK}>&-
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if [ $status -eq 0 ]; then
    printf '  %-62s %8s\n' "$what" "$(seconds_since "$started")" >&2
    return 0
  fi
  say "FAILED: $what, after $(seconds_since "$started")"
  say "  log: $log; its last lines:"
  tail -n 20 "$log" | sed 's/^/    /' >&2
  [ -z "${STEP_HINT:-}" ] || say "  what to do: $STEP_HINT"
  exit 1
}
