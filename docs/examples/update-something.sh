#!/bin/sh
# Sample task: gets the entry's Args as its arguments. Says nothing on stdout, which would make it
# a failed run (FailOnOutput), and writes what it did into a file instead.
set -eu
: "${1:?an id is expected as the first argument}"
echo "$(date +%T) updated $1" >> "${GOOPHRY_EXAMPLE_LOG:-/tmp/goophry-example.log}"
