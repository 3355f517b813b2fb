#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# man.sh BUILD: do the manual pages that the build made read well?
set -eu
status=0
for page in "$1"/doc/man/*.[1-8]; do
	echo "$page"
	mandoc -T lint -W warning "$page" || status=1
done
exit $status
