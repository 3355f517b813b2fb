#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Is every C file of the tree named in Makefile.am?  One that is not would be
# neither built nor run, and nobody would know.
status=0
for f in $(git ls-files '*.[ch]'); do
	name=${f%.c}
	grep -qE "(^|[[:space:]])($f|$name)([[:space:]]|\$)" Makefile.am || {
		echo "$f is not in Makefile.am"
		status=1
	}
done
exit $status
