#!/bin/sh
# A persistent script for goophry in plain sh: answers each line on stdin with a line on stdout.
# It takes arguments without quotes, backslashes and control characters; for others, let jq take the line apart.

# The task itself; its arguments are the entry's Args. What it writes to stdout is its output, what it
# writes to stderr goes to goophry, and its exit status says whether it is done. Change this.
work() {
  [ $# -gt 0 ] || { echo "no argument was given" >&2; return 1; }
  echo "worked on $*"
}

# JSON text from any text: quotes, backslashes and control characters become blanks.
text() { printf '%s' "$1" | tr '"\\[:cntrl:]' ' '; }

while IFS= read -r line; do
  # Between these two keys stands ["a","b"], and no quote inside an argument can look like them.
  args=${line#*'"Args":['}
  args=${args%%'],"Env":'*}
  case $args in *\\*) echo '{"ok":false,"error":"an argument has characters that this script cannot read"}'; continue ;; esac
  set --
  if [ -n "$args" ]; then
    args=${args#\"}
    args=${args%\"}
    while :; do
      case $args in
        *'","'*) set -- "$@" "${args%%'","'*}"; args=${args#*'","'} ;;
        *) set -- "$@" "$args"; break ;;
      esac
    done
  fi
  if output=$(work "$@" </dev/null); then
    echo "{\"ok\":true,\"output\":\"$(text "$output")\"}"
  else
    echo "{\"ok\":false,\"error\":\"exit status $?\"}"
  fi
done
