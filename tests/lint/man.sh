#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# man.sh BUILD: do the manual pages that the build made read well?
set -u
status=0
for page in "$1"/doc/man/*.[1-8]; do
	echo "$page"
	# scdoc itself writes empty paragraphs; everything else counts.
	mandoc -T lint -W warning "$page" |
		grep -vE 'skipping paragraph macro: PP (empty|after SH)' &&
		status=1
done
exit $status
