#!/bin/sh
# Sample task that takes a while and may print: its type has FailOnOutput off, a Timeout and a nice
# value. REPORT_FORMAT comes from the type's Env, the name of the report from the entry's Args.
set -eu
echo "building the report $* as $REPORT_FORMAT"
sleep 2
echo "$(date +%T) built $* as $REPORT_FORMAT" >> "${GOOPHRY_EXAMPLE_LOG:-/tmp/goophry-example.log}"
