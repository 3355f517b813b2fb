#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The registry's file from end to end, with the programs that ship: made up,
# taken in, taken in again, spoiled in every way, and read back.
# HOLDLINE_BIN: the folder of the programs.
set -u
: "${HOLDLINE_BIN:?is not set: the folder of the programs}"
case $HOLDLINE_BIN in /*) ;; *) HOLDLINE_BIN=$PWD/$HOLDLINE_BIN ;; esac

passed=0
failed=0
dir=$(mktemp -d) || exit 1
trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset HOLDLINE_CONF

ok() { # NAME COMMAND...: the command succeeds
	name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name"
		echo "  exit status $rc; standard output and error were:"
		sed 's/^/  | /' out err
	fi
}

run() { # ARGUMENTS...: run holdline; leaves rc, out, err
	"$HOLDLINE_BIN/holdline" "$@" >out 2>err
	rc=$?
}

exits() { [ "$rc" -eq "$1" ]; }
says() { grep -qF -e "$1" out; }
warns() { grep -qF -e "$1" err; }
holds() { grep -qF -e "$2" "$1"; } # FILE TEXT
lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }
absent() { [ ! -e "$1" ]; }
private() { [ "$(stat -c %a "$1")" = 600 ]; }

header=holder_ref,birth_date,postal_code,municipality_code,telephones,pin,kana_name,carrier,kind,issuer,serial,not_before,not_after,status
issuer=00112233445566778899aabbccddeeff00112233
row() { # REF BIRTH MUNICIPALITY SERIAL [STATUS [KANA]]
	printf '%s,%s,100-0001,%s,090-0000-0001,,%s,card,signature,%s,%s,2024-04-01,2028-02-29,%s\n' \
		"$1" "$2" "$3" "${6-ヤマダ タロウ}" $issuer "$4" "${5-good}"
}
file() { # NAME: the header, and rows from standard input
	{ echo $header && cat; } >"$1"
}

cat >conf <<END
store = "$dir/data/store.db"
key_file = "$dir/key"
END
mkdir data

# ---- the key

run key create key
ok "a key is created" exits 0
ok "only its owner may read it" private key
cp key key.before
run key create key
ok "a key is never overwritten" exits 1
ok "and that is said" warns "exists already"
ok "and it is as it was" cmp -s key key.before

# ---- a sample

run registry sample --count 200 --seed 7 --today 2026-11-23 -o sample.csv \
	--answers answers.tsv
ok "a sample is made" exits 0
ok "it has the header" holds sample.csv "$header"
ok "and an answer for everybody" lines answers.tsv 201
run registry sample --count 200 --seed 7 --today 2026-11-23
ok "the same seed makes the same sample" cmp -s out sample.csv
run registry sample --count 200 --seed 8 --today 2026-11-23
ok "another seed makes another" test "$(cmp -s out sample.csv && echo same)" != same
total=$(($(wc -l <sample.csv) - 1))
ok "serial numbers are unique" test \
	"$(cut -d, -f11 sample.csv | sort -u | wc -l)" -eq "$((total + 1))"

run registry import -c conf sample.csv
ok "the sample is imported" exits 0
ok "all of it" says "$total rows: $total new, 0 changed, 0 unchanged, 0 rejected"
ok "without a reject file" absent sample.csv.rejects
run registry import -c conf sample.csv
ok "importing it again works" exits 0
ok "and changes nothing" says "$total rows: 0 new, 0 changed, $total unchanged, 0 rejected"
run registry import -c conf - <sample.csv
ok "standard input works as well" says "0 changed, $total unchanged"
cut -d, -f1-13 sample.csv >a.csv
{ echo status && cut -d, -f14 sample.csv | sed 1d; } >b.csv
paste -d, b.csv a.csv | sed 's/$/\r/' >turned.csv
printf '\357\273\277' | cat - turned.csv >marked.csv
run registry import -c conf marked.csv
ok "the order of columns, CRLF and a BOM do not matter" says "0 changed, $total unchanged"

# Nothing personal can be read in the store.
some=$(sed -n 2p sample.csv)
for field in 1 2 3 5 7; do
	ok "column $field is not readable in the store" test \
		"$(cat data/store.db* | grep -acF -e "$(echo "$some" | cut -d, -f$field)")" -eq 0
done

# ---- rows that are not right

{
	row good-1 1980-02-29 131016 0a01
	row wrong-check 1980-02-29 131017 0a02
	row no-such-place 1980-02-29 999997 0a03
	row february-31 1980-02-31 131016 0a04
	row shift-jis 1980-02-29 131016 0a05 good "$(printf '\216R\223c')"
	row 123456789012 1980-02-29 131016 0a06
	row other-holder 1980-02-29 131016 0a01
	echo "too,few,fields"
	head -c 1000000 /dev/zero | tr '\0' x && echo
	echo 'quote,"is open'
	row good-2 1980-02-29 131016 0A07 hold
} | file bad.csv
run registry import -c conf bad.csv
ok "bad rows do not stop the rest" exits 0
ok "the good ones are taken" says "11 rows: 2 new, 0 changed, 0 unchanged, 9 rejected (see bad.csv.rejects)"
ok "only the owner may read the rejects" private bad.csv.rejects
r=bad.csv.rejects
ok "rejects begin with their header" test "$(head -n 1 $r)" = line,reason,row
ok "a wrong check digit" holds $r '3,"municipality_code: check digit of 131017 is wrong","wrong-check,'
ok "an unknown code" holds $r '4,"municipality_code: no municipality has the code 999997","no-such-place,'
ok "31 February" holds $r '5,"birth_date: not a day of the calendar'
ok "Shift_JIS" holds $r 'iconv -f CP932 -t UTF-8","shift-jis,'
ok "a My Number" holds $r '7,"holder_ref: twelve digits could be a My Number'
ok "a serial that is another holder's" holds $r '8,"serial 0a01: '
ok "too few fields" holds $r '9,"the row has 3 fields and the header has 14","too,few,fields"'
ok "a line of a megabyte" holds $r '10,"the row is longer than 16384 bytes","xxx'
ok "which is cut" test "$(wc -c <$r)" -lt 30000
ok "an open quote, and its row quoted" holds $r '11,"a quote is opened and not closed","quote,""is open"'
ok "the row after it is read" test "$(grep -c good-2 $r)" -eq 0
run registry import -c conf bad.csv
ok "again: the same rejects, nothing new" says "11 rows: 0 new, 0 changed, 2 unchanged, 9 rejected"

chmod 644 $r
run registry import -c conf --rejects other.rejects bad.csv
ok "--rejects names the file" holds other.rejects '3,"municipality_code'
row good-1 1980-02-29 131016 0a01 | file bad.csv
run registry import -c conf bad.csv
ok "an old reject file is not mistaken for a new one" warns "from an earlier import"
run registry import -c conf --rejects bad.csv bad.csv
ok "rejects never go over the file itself" exits 1
ok "which is as it was" lines bad.csv 2

# ---- changes

row good-1 1980-03-01 131016 0a01 | file changed.csv
run registry import -c conf changed.csv
ok "a corrected birth date is a change" says "1 row: 0 new, 1 changed, 0 unchanged, 0 rejected"
row good-2 1980-02-29 131016 0a07 good | file good.csv
run registry import -c conf good.csv
ok "good never lifts a hold" says "1 row: 0 new, 0 changed, 1 unchanged, 0 rejected"
row good-2 1980-02-29 131016 0a07 revoked | file revoked.csv
run registry import -c conf revoked.csv
ok "a hold can be revoked" says "1 changed"
run registry import -c conf good.csv
ok "revoked is final" says "1 rejected"
ok "and that is said" holds good.csv.rejects "revoked is final"

# ---- files that are none

bad_file() { # NAME TEXT: nothing is imported, and the reason is said
	run registry import -c conf "$1"
	ok "$1 is refused" exits 1
	ok "$1: reason" warns "$2"
	ok "$1: no reject file" absent "$1.rejects"
}
: >empty
bad_file empty "it is empty"
row good-3 1980-02-29 131016 0b01 >no-header
bad_file no-header "there is no header; nothing was imported"
ok "and nothing of it is shown" test "$(grep -c good-3 err)" -eq 0
{ echo $header | sed 's/,pin,/,/' && row a 1980-02-29 131016 0b02; } >missing
bad_file missing "the header lacks the column pin"
ok "the header that is expected is shown" warns "$header"
{ echo "$header,colour" && row a 1980-02-29 131016 0b02; } >unknown
bad_file unknown "the header has the unknown column colour"
{ printf '\377\376' && file /dev/stdout </dev/null | iconv -t UTF-16LE; } >utf-16
bad_file utf-16 "it is UTF-16"
bad_file not-there "No such file"
bad_file data "folder"
file only-header </dev/null
run registry import -c conf only-header
ok "a header alone is an empty registry" says "0 rows: 0 new"

# ---- what cannot be written

if [ "$(id -u)" -ne 0 ]; then
	mkdir shut && chmod 500 shut
	sed "s,data/,shut/," conf >conf.shut
else # root may write anywhere: a folder that is a file stops root too
	: >shut
	sed "s,data/,shut/," conf >conf.shut
fi
run registry import -c conf.shut sample.csv
ok "an unwritable data folder is refused" exits 1
ok "with its name" warns "shut/store.db"
echo 'x,y' | file bad.csv
run registry import -c conf --rejects no/such/folder bad.csv
ok "rejects that cannot be written stop the import" exits 1
ok "with a way out" warns "name another file with --rejects"

# A list that another process writes is left to it.
run registry import -c conf bad.csv
cp bad.csv.rejects rejects.before
flock bad.csv.rejects "$HOLDLINE_BIN/holdline" registry import -c conf \
	--from-start bad.csv >out 2>err
rc=$?
ok "a list that another process writes is not taken from it" exits 1
ok "which is said" warns "another process is writing its rejected rows to bad.csv.rejects"
ok "and it has lost nothing" cmp -s bad.csv.rejects rejects.before
flock bad.csv.rejects "$HOLDLINE_BIN/holdline" registry import -c conf \
	--rejects mine bad.csv >out 2>err
rc=$?
ok "a list of its own is filled meanwhile" cmp -s mine rejects.before

# A pipe fills up, and somebody else's file is read by somebody else.
mkfifo pipe
run registry import -c conf --rejects pipe bad.csv
ok "rejects are not written to a pipe" exits 1
ok "which is said" warns "it is a pipe"
if [ "$(id -u)" = 0 ]; then
	echo line,reason,row >others
	chown 65534 others
	chmod 644 others
	run registry import -c conf --rejects others bad.csv
	ok "nor to another user's file" exits 1
	ok "which is said, too" warns "it belongs to another user"
	ok "and nothing is in it" lines others 1
	ok "and it is as it was" test "$(stat -c %a others)" = 644
	chown 65534 bad.csv.rejects
	run registry import -c conf bad.csv
	ok "nor to one from before" exits 1
	rm bad.csv.rejects
fi

if [ -c /dev/full ]; then
	run registry import -c conf --rejects /dev/full bad.csv
	ok "a full disk for rejects is a failure" exits 1
fi
sed 's,/key",/no-key",' conf >conf.no-key
run registry import -c conf.no-key sample.csv
ok "without a key nothing is imported" exits 1
ok "and how to make one is said" warns "holdline key create"

# ---- reading back

serial=$(sed -n 2p sample.csv | cut -d, -f11)
run cert status -c conf "0x$(echo "$serial" | tr a-f A-F)"
ok "a certificate is found however it is written" says "serial      $serial"
ok "with its issuer" says "$(sed -n 2p sample.csv | cut -d, -f10)"
run cert status -c conf --json 0a07
ok "and as JSON" says '"status": "revoked"'
ok "with its generation" says '"generation": 2'
run cert status -c conf 0a99
ok "none is a failure" exits 1
ok "that is said" warns "no certificate has the serial number 0a99"
run cert status -c conf 0
ok "zero is no serial number" exits 2
row old 1950-01-01 131016 0c01 | sed 's/2024-04-01,2028-02-29/2010-01-01,2015-01-01/' | file old.csv
run registry import -c conf old.csv
run cert status -c conf 0c01
ok "expiry is derived" says "expired"

run case list -c conf
ok "no cases: exit" exits 0
ok "no cases: said" says "There are no cases."
run case list -c conf --json
ok "no cases in JSON" test "$(cat out)" = "[]"
run case list -c conf --municipality 131017
ok "a wrong municipality is refused" exits 2
run case show -c conf 1234567890
ok "a wrong receipt number is refused" exits 2
ok "because of its check digit" warns "that is not a receipt number: check digit"

run audit verify -c conf
ok "the audit record is whole" says "The audit record is whole"
cp out checkpoint
run audit verify -c conf --against checkpoint
ok "and has its own checkpoint in it" says "whole and has the checkpoint in it"
sed 's/^0\.[0-9]*/0.999999/' checkpoint >checkpoint.ahead
run audit verify -c conf --against checkpoint.ahead
ok "leaves that were cut off: exit status" exits 1
ok "leaves that were cut off: said" warns "audit leaf 0.999999 is missing"
sed '/^0\./y/0123456789/1234567890/' checkpoint >checkpoint.other
run audit verify -c conf --against checkpoint.other
ok "another history is seen" exits 1
echo "0.1 nonsense" >checkpoint.bad
run audit verify -c conf --against checkpoint.bad
ok "a torn checkpoint is refused" warns "checkpoint.bad:1: this is no line"
run audit verify -c conf --against conf
ok "a file that is none is refused" warns "there is no checkpoint in it"
run audit verify -c conf --against none
ok "a file that is not there" warns "none: No such file"

for command in "registry import" "registry sample" "cert status" "case list" \
	"case show" "key create" "audit verify"; do
	# shellcheck disable=SC2086
	run $command --help
	ok "$command --help" exits 0
	ok "$command --help has an example" says "  holdline $command"
	# shellcheck disable=SC2086
	run $command --no-such-option
	ok "$command: a wrong option" exits 2
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
