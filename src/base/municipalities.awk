# SPDX-License-Identifier: Apache-2.0
# Turn municipalities.tsv into the rows of a C table, sorted by code as the
# file is.  Prefectures keep nobody's record and are left out.
BEGIN { FS = "\t"; print "/* made from municipalities.tsv */" }
NR > 1 && $2 != "pref" {
	printf "\t{ \"%s\", \"%s\", \"%s\", \"%s\" },\n", $1, $3, $4, $5
}
