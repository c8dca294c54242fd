#!/bin/sh
# Runs a golden case: run.sh PROGRAM FOLDER. Exit status 77: the case's data is not on this machine.
# Accepts what the program says now: run.sh --update PROGRAM FOLDER...
set -u
update=no
if [ "$1" = --update ]; then
  update=yes; shift
  if [ $# -gt 2 ]; then
    program=$1; shift
    for folder; do "$0" --update "$program" "$folder"; done
    exit 0
  fi
fi
GPUVM=$(realpath "$1"); CASE=$(realpath "$2"); DATA=$CASE/../../../../shared/data
export GPUVM CASE DATA
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
sh -u "$CASE/cmd" > "$work/.actual"
status=$?
[ $status = 77 ] && exit 77
if [ $update = yes ]; then cp "$work/.actual" "$CASE/expected"; exit 0; fi
if [ $status != 0 ]; then echo "the command ended with status $status"; exit 1; fi
diff -u "$CASE/expected" "$work/.actual"
