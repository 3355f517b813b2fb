# SPDX-License-Identifier: Apache-2.0
# Turn ja.pot (msgctxt = prompt id, msgid = Japanese) and the translations
# that follow it on the command line (en.po ...) into the rows of a C table:
#	{ "id", { "Japanese", "English", ... } },
# with a first line that names the languages.  A text may span lines.
function flush_entry() {
	if (ctx != "") {
		if (file == 1)
			ids[++n] = ctx
		text[ctx, file] = file == 1 ? msgid : (fuzzy ? "" : msgstr)
		if (file > 1 && source[ctx] != msgid)
			text[ctx, file] = ""	# made from an older text
		if (file == 1)
			source[ctx] = msgid
	}
	ctx = msgid = msgstr = ""
	fuzzy = 0
}
function quoted(s) {
	sub(/^[^"]*"/, "", s)
	sub(/"[ \t\r]*$/, "", s)
	return s
}
FNR == 1 {
	flush_entry()
	file++
	lang[file] = FILENAME
	sub(/^.*\//, "", lang[file])
	sub(/\.pot?$/, "", lang[file])
}
/^#,.*fuzzy/ { fuzzy = 1; next }
/^#/ { next }
/^[ \t\r]*$/ { flush_entry(); next }
/^msgctxt / { ctx = quoted($0); field = "ctx"; next }
/^msgid / { msgid = quoted($0); field = "id"; next }
/^msgstr / { msgstr = quoted($0); field = "str"; next }
/^"/ {
	if (field == "id")
		msgid = msgid quoted($0)
	else if (field == "str")
		msgstr = msgstr quoted($0)
}
END {
	flush_entry()
	print "/* made from ivr-prompts */"
	printf "PROMPT_LANGS("
	for (f = 1; f <= file; f++)
		printf "%s\"%s\"", (f > 1 ? ", " : ""), lang[f]
	print ")"
	for (i = 1; i <= n; i++) {
		printf "PROMPT(\"%s\"", ids[i]
		for (f = 1; f <= file; f++)
			printf ", \"%s\"", text[ids[i], f]
		print ")"
	}
}
