#!/bin/sh
# Sample ErrorScript: gets one argument that tells what failed and why. A real one would send a
# mail or a message.
set -eu
{
  echo "$(date +%T) FAILED"
  echo "$1"
} >> "${GOOPHRY_EXAMPLE_LOG:-/tmp/goophry-example.log}"
