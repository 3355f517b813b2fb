/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/registry_row.h"
#include "wire/csv.h"

#define ABSENT CSV_FIELDS_MAX /* no field has this number */

static const char *const names[] = {
	[REGISTRY_HOLDER_REF] = "holder_ref",
	[REGISTRY_BIRTH_DATE] = "birth_date",
	[REGISTRY_POSTAL_CODE] = "postal_code",
	[REGISTRY_MUNICIPALITY] = "municipality_code",
	[REGISTRY_TELEPHONES] = "telephones",
	[REGISTRY_PIN] = "pin",
	[REGISTRY_KANA_NAME] = "kana_name",
	[REGISTRY_CARRIER] = "carrier",
	[REGISTRY_KIND] = "kind",
	[REGISTRY_ISSUER] = "issuer",
	[REGISTRY_SERIAL] = "serial",
	[REGISTRY_NOT_BEFORE] = "not_before",
	[REGISTRY_NOT_AFTER] = "not_after",
	[REGISTRY_STATUS] = "status",
	[REGISTRY_MAIL] = "mail",
	[REGISTRY_ADDRESS] = "address",
	[REGISTRY_LANG] = "lang",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == REGISTRY_COLUMN_COUNT,
    "every registry_column needs a name");

const char *
registry_column_name(enum registry_column column)
{
	return names[column];
}

/* The column of that name, blanks around it aside, or
 * REGISTRY_COLUMN_COUNT. */
static size_t
column_find(const char *field)
{
	size_t i, len;

	field += strspn(field, " \t");
	for (i = 0; i < REGISTRY_COLUMN_COUNT; i++) {
		len = strlen(names[i]);
		if (strncmp(field, names[i], len) == 0 &&
		    field[len + strspn(field + len, " \t")] == '\0')
			break;
	}
	return i;
}

/* Names for a sentence: "a, b, c", cut when there are too many. */
struct list {
	char text[240];
	size_t n;
};

/* Add a name, without anything that a terminal would obey. */
static void
list_add(struct list *l, const char *name)
{
	size_t len = strlen(l->text), i;

	snprintf(l->text + len, sizeof(l->text) - len, "%s%.40s",
	    l->n++ > 0 ? ", " : "", name);
	for (i = len; l->text[i] != '\0'; i++)
		if (l->text[i] < 0x20 || l->text[i] > 0x7e)
			l->text[i] = '?';
}

int
registry_text_check(const struct csv_row *row, struct err *err)
{
	if (row->raw_len >= 2 &&
	    (memcmp(row->raw, "\xff\xfe", 2) == 0 ||
		memcmp(row->raw, "\xfe\xff", 2) == 0 ||
		memchr(row->raw, '\0', row->raw_len) != NULL))
		return err_set(err, ERR_PARSE,
		    "it is UTF-16 or no text at all; save it as CSV in UTF-8, "
		    "or convert it with iconv -f UTF-16 -t UTF-8");
	if (row->fault != NULL)
		return err_set(err, ERR_PARSE, "the header cannot be read: %s",
		    row->fault);
	return 0;
}

/* Is this a header at all?  If not, what it holds may be personal data and is
 * not shown. */
static bool
header_like(const struct csv_row *row)
{
	size_t i;

	for (i = 0; i < row->n; i++)
		if (column_find(row->fields[i]) != REGISTRY_COLUMN_COUNT)
			return true;
	return false;
}

static int
header_complain(const char *what, const struct list *l, struct err *err)
{
	if (l->n == 0)
		return 0;
	return err_set(err, ERR_PARSE, "the header %s column%s %s", what,
	    l->n > 1 ? "s" : "", l->text);
}

int
registry_header_parse(
    struct registry_header *header, const struct csv_row *row, struct err *err)
{
	struct list unknown = { .n = 0 }, twice = unknown, missing = unknown;
	size_t i, c;

	if (!header_like(row))
		return err_set(err, ERR_PARSE, "there is no header");
	for (c = 0; c < REGISTRY_COLUMN_COUNT; c++)
		header->at[c] = ABSENT;
	header->n = row->n;
	for (i = 0; i < row->n; i++) {
		c = column_find(row->fields[i]);
		if (c == REGISTRY_COLUMN_COUNT)
			list_add(&unknown, row->fields[i]);
		else if (header->at[c] != ABSENT)
			list_add(&twice, names[c]);
		else
			header->at[c] = i;
	}
	for (c = 0; c < REGISTRY_OPTIONAL; c++)
		if (header->at[c] == ABSENT)
			list_add(&missing, names[c]);
	if (unknown.n > 0 && missing.n > 0)
		return err_set(err, ERR_PARSE,
		    "the header has the unknown column%s %s and lacks %s",
		    unknown.n > 1 ? "s" : "", unknown.text, missing.text);
	if (header_complain("has the unknown", &unknown, err) == -1)
		return -1;
	if (header_complain("has twice the", &twice, err) == -1)
		return -1;
	return header_complain("lacks the", &missing, err);
}
