/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "base/conf.h"
#include "base/conf_value.h"

/* In double quotes, as libconfuse reads it back: ${NAME} would otherwise be
 * taken from the environment. */
static void
conf_print_quoted(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s != '\0'; s++) {
		if (strchr("\"\\$", *s) != NULL)
			putc('\\', out);
		if (*s == '\n')
			fputs("\\n", out);
		else
			putc(*s, out);
	}
	putc('"', out);
}

/* The value as it stands in the file. */
static void
conf_print_value(FILE *out, const struct conf *c, const struct conf_def *d)
{
	char buf[CONF_VALUE_SIZE];
	size_t i;

	if (!conf_value_is_quoted(d)) {
		fputs(conf_value_show(c, d, 0, buf), out);
	} else if (!conf_value_is_list(d)) {
		conf_print_quoted(out, conf_value_show(c, d, 0, buf));
	} else {
		for (i = 0; i < conf_value_count(c, d); i++) {
			fputs(i == 0 ? "{ " : ", ", out);
			conf_print_quoted(out, conf_value_show(c, d, i, buf));
		}
		fputs(i == 0 ? "{}" : " }", out);
	}
}

/* A comment, wrapped before column 79. */
static void
conf_print_comment(FILE *out, const char *indent, const char *text)
{
	const size_t room = 76 - (indent[0] == '\0' ? 0 : 8);
	size_t n, col = 0;

	for (; *text != '\0'; text += n + (text[n] == ' ')) {
		n = strcspn(text, " ");
		if (col == 0 || col + 1 + n > room) {
			fprintf(out, "%s%s#", col == 0 ? "" : "\n", indent);
			col = 0;
		}
		fprintf(out, " %.*s", (int)n, text);
		col += 1 + n;
	}
	putc('\n', out);
}

static void
conf_print_def(FILE *out, const struct conf *c, const struct conf *initial,
    const struct conf_def *d)
{
	const char *indent = conf_table_section_len(d) == 0 ? "" : "\t";
	char buf[CONF_VALUE_SIZE];

	conf_print_comment(out, indent, d->help);
	fprintf(out, "%s# (%s; default ", indent, conf_value_kind(d, buf));
	conf_print_value(out, initial, d);
	fprintf(out, ")\n%s%s = ", indent, conf_table_leaf(d));
	conf_print_value(out, c, d);
	putc('\n', out);
}

void
conf_print(FILE *out, const struct conf *c)
{
	const struct conf_def *d = conf_table, *before = NULL;
	struct conf *initial = conf_new();
	size_t i;

	if (initial == NULL)
		return;
	for (i = 0; i < conf_table_n; i++, before = d++) {
		bool opens = !conf_table_same_section(d, before);

		if (opens && conf_table_section_len(before) != 0)
			fputs("}\n", out);
		if (i > 0)
			putc('\n', out);
		if (opens)
			fprintf(out, "%.*s {\n", (int)conf_table_section_len(d),
			    d->name);
		conf_print_def(out, c, initial, d);
	}
	if (conf_table_section_len(before) != 0)
		fputs("}\n", out);
	conf_free(initial);
}

/* scdoc gives these a meaning; a backslash takes it away. */
static void
conf_print_scdoc_text(FILE *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (strchr("\\*_`[]#<>", *s) != NULL)
			putc('\\', out);
		putc(*s, out);
	}
}

void
conf_print_scdoc(FILE *out)
{
	char buf[CONF_VALUE_SIZE];
	const char *s;
	size_t i;

	for (i = 0; i < conf_table_n; i++) {
		const struct conf_def *d = &conf_table[i];

		fprintf(out, "*%s* (", d->name);
		conf_print_scdoc_text(out, conf_value_kind(d, buf));
		fputs(")\n\t", out);
		conf_print_scdoc_text(out, d->help);
		fputs(" Default: ", out);
		if (d->initial[0] == '\0')
			fputs(conf_value_is_list(d) ? "none" : "empty", out);
		for (s = d->initial; *s != '\0'; s++)
			if (*s == ',')
				fputs(", ", out);
			else
				conf_print_scdoc_text(
				    out, (char[]){ *s, '\0' });
		fputs(".\n\n", out);
	}
}
