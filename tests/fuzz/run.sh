#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD SECONDS NAME: fuzz one target from its corpus for so long.
set -eu -o pipefail
build=$1 seconds=$2 name=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# New inputs go to the temporary folder; the corpus stays as it is.
"$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 \
	-rss_limit_mb=2048 -artifact_prefix="$work/" -print_final_stats=1 \
	"$work" "$here/corpus/$name" 2>&1 | tail -n 40
ls "$work" | grep -qE '^(crash|leak|timeout|oom)-' && exit 1
exit 0
