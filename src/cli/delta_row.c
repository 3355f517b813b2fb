/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/delta_row.h"
#include "hold/policy.h"
#include "wire/csv.h"

/* What a kind of row does with a column. */
enum rule { NONE, MAY, NEED };

/* A move without a date is a municipality's: its code has changed. */
#define CODE STORE_DELTA_COUNT
#define FORMS (CODE + 1)

static const unsigned char rules[FORMS][DELTA_COLUMN_COUNT] = {
	[STORE_DELTA_MOVED] = {
		[REGISTRY_HOLDER_REF] = NEED,
		[REGISTRY_BIRTH_DATE] = NEED,
		[REGISTRY_POSTAL_CODE] = NEED,
		[REGISTRY_MUNICIPALITY] = NEED,
		[REGISTRY_TELEPHONES] = MAY,
		[REGISTRY_PIN] = MAY,
		[REGISTRY_KANA_NAME] = MAY,
		[REGISTRY_MAIL] = MAY,
		[REGISTRY_ADDRESS] = MAY,
		[REGISTRY_LANG] = MAY,
		[DELTA_DATE] = NEED,
		[DELTA_REASON] = MAY,
	},
	[CODE] = {
		[REGISTRY_HOLDER_REF] = NEED,
		[REGISTRY_MUNICIPALITY] = NEED,
	},
	[STORE_DELTA_DIED] = {
		[REGISTRY_HOLDER_REF] = NEED,
		[DELTA_REASON] = MAY,
	},
	[STORE_DELTA_REISSUED] = {
		[REGISTRY_HOLDER_REF] = NEED,
		[REGISTRY_CARRIER] = NEED,
		[REGISTRY_KIND] = NEED,
		[REGISTRY_ISSUER] = NEED,
		[REGISTRY_SERIAL] = NEED,
		[REGISTRY_NOT_BEFORE] = NEED,
		[REGISTRY_NOT_AFTER] = NEED,
		[DELTA_REASON] = MAY,
		[DELTA_REPLACES] = NEED,
		[DELTA_REPLACES_ISSUER] = MAY,
	},
	[STORE_DELTA_EXPIRED] = {
		[REGISTRY_HOLDER_REF] = NEED,
		[REGISTRY_ISSUER] = NEED,
		[REGISTRY_SERIAL] = NEED,
	},
};

static const char *const own_names[] = {
	[DELTA_CHANGE - REGISTRY_COLUMN_COUNT] = "change",
	[DELTA_DATE - REGISTRY_COLUMN_COUNT] = "date",
	[DELTA_REASON - REGISTRY_COLUMN_COUNT] = "reason",
	[DELTA_REPLACES - REGISTRY_COLUMN_COUNT] = "replaces",
	[DELTA_REPLACES_ISSUER - REGISTRY_COLUMN_COUNT] = "replaces_issuer",
};
_Static_assert(sizeof(own_names) / sizeof(own_names[0]) ==
	DELTA_COLUMN_COUNT - REGISTRY_COLUMN_COUNT,
    "every delta_column needs a name");

static const char *
column_name(size_t c)
{
	return c < REGISTRY_COLUMN_COUNT
	    ? registry_column_name((enum registry_column)c)
	    : own_names[c - REGISTRY_COLUMN_COUNT];
}

/* ---- the first two lines */

static int
number_parse(int64_t *out, const char *text)
{
	if (!str_is_digits(text, 1, DELTA_NUMBER_DIGITS))
		return -1;
	*out = strtoll(text, NULL, 10);
	return 0;
}

int
delta_line_parse(
    struct delta_line *line, const struct csv_row *row, struct err *err)
{
	struct registry_header other;
	struct err ignored;
	const char *name;

	if (registry_header_parse(&other, row, &ignored) == 0)
		return err_set(err, ERR_PARSE,
		    "it is a file of the whole registry, for `holdline "
		    "registry import`");
	if (row->n != 4 || strcmp(row->fields[0], "delta") != 0)
		return err_set(
		    err, ERR_PARSE, "its first line is not " DELTA_FIRST_LINE);
	name = row->fields[1];
	if (name[0] == '\0' ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")] !=
		'\0' ||
	    str_copy(line->name, sizeof(line->name), name) == -1)
		return err_set(err, ERR_PARSE,
		    "its first line: NAME is not 1 to %d of a-z, 0-9, '.', "
		    "'_' and '-'",
		    STORE_DELTA_NAME_MAX);
	if (number_parse(&line->seq, row->fields[2]) == -1 || line->seq == 0)
		return err_set(err, ERR_PARSE,
		    "its first line: NUMBER is not 1, 2, 3, ...");
	if (number_parse(&line->rows, row->fields[3]) == -1)
		return err_set(err, ERR_PARSE,
		    "its first line: ROWS is not how many rows follow the "
		    "header");
	return 0;
}

/* The column of that name, blanks around it aside, or DELTA_COLUMN_COUNT. */
static size_t
column_find(const char *field)
{
	size_t c, len;

	field += strspn(field, " \t");
	for (c = 0; c < DELTA_COLUMN_COUNT; c++) {
		len = strlen(column_name(c));
		if (c != REGISTRY_STATUS &&
		    strncmp(field, column_name(c), len) == 0 &&
		    field[len + strspn(field + len, " \t")] == '\0')
			break;
	}
	return c;
}

int
delta_header_parse(
    struct delta_header *header, const struct csv_row *row, struct err *err)
{
	size_t i, c;

	header->n = row->n;
	for (c = 0; c < DELTA_COLUMN_COUNT; c++)
		header->at[c] = CSV_FIELDS_MAX;
	for (i = 0; i < row->n; i++) {
		c = column_find(row->fields[i]);
		if (c == DELTA_COLUMN_COUNT) /* maybe no header: not shown */
			return err_set(err, ERR_PARSE,
			    "its second line must be the header: column %zu "
			    "of it is none that a delta has",
			    i + 1);
		if (header->at[c] < header->n)
			return err_set(err, ERR_PARSE,
			    "the header has the column %s twice",
			    column_name(c));
		header->at[c] = i;
	}
	for (c = 0; c < DELTA_COLUMN_COUNT; c++)
		if ((c == DELTA_CHANGE || c == REGISTRY_HOLDER_REF) &&
		    header->at[c] >= header->n)
			return err_set(err, ERR_PARSE,
			    "the header lacks the column %s", column_name(c));
	return 0;
}

/* ---- rows */

static int
parse_date(struct delta_row *out, const char *text, int today, struct err *err)
{
	if ((out->date = clock_ymd_parse(text)) == 0)
		return err_set(err, ERR_PARSE,
		    "not a day of the calendar written YYYY-MM-DD");
	if (out->date > today)
		return err_set(err, ERR_RANGE, "it is in the future");
	return 0;
}

static int
parse_reason(struct delta_row *out, const char *text, struct err *err)
{
	if ((out->crl_reason = policy_reason_parse(text)) == -1)
		return err_set(err, ERR_PARSE,
		    "not a reason to revoke such as keyCompromise, "
		    "affiliationChanged, superseded or cessationOfOperation");
	return 0;
}

static int
parse_old_issuer(struct delta_row *out, const char *text, struct err *err)
{
	uint8_t bytes[STORE_ISSUER_HEX / 2];

	if (str_unhex(text, bytes, sizeof(bytes)) == -1)
		return err_set(
		    err, ERR_PARSE, "not the 40 hexadecimal digits of a SHA-1");
	str_hex(bytes, sizeof(bytes), out->old_issuer);
	return 0;
}

static int
column_parse(struct delta_row *out, size_t c, const char *text, int today,
    struct err *err)
{
	switch (c) {
	case DELTA_DATE:
		return parse_date(out, text, today, err);
	case DELTA_REASON:
		return parse_reason(out, text, err);
	case DELTA_REPLACES:
		return registry_serial(out->old_serial, text, err);
	case DELTA_REPLACES_ISSUER:
		return parse_old_issuer(out, text, err);
	default:
		return registry_column_parse(
		    &out->row, (enum registry_column)c, text, err);
	}
}

/* The field of a column without blanks around it; "" when there is none. */
static int
field_of(char *out, size_t size, const struct delta_header *header,
    const struct csv_row *row, size_t c, struct err *err)
{
	out[0] = '\0';
	if (header->at[c] >= header->n ||
	    registry_trim(out, size, row->fields[header->at[c]]) == 0)
		return 0;
	return err_set(err, ERR_RANGE, "%s: much too long", column_name(c));
}

static int
column_take(struct delta_row *out, unsigned int form, size_t c,
    const char *text, int today, struct err *err)
{
	enum rule rule = (enum rule)rules[form][c];

	if (c == DELTA_CHANGE)
		return 0;
	if (text[0] == '\0' && rule != NEED)
		return 0;
	if (text[0] == '\0')
		err_set(err, ERR_PARSE,
		    "empty, and a row with change %s needs it",
		    store_delta_name(out->kind));
	else if (rule == NONE)
		err_set(err, ERR_PARSE, "a row with change %s%s has none",
		    store_delta_name(out->kind),
		    form == CODE ? " and no date" : "");
	else if (column_parse(out, c, text, today, err) == 0)
		return 0;
	return err_add(err, "%s", column_name(c));
}

static int
kind_parse(enum store_delta_kind *kind, const char *text, struct err *err)
{
	int i;

	for (i = 0; i < STORE_DELTA_COUNT; i++)
		if (strcmp(text, store_delta_name((enum store_delta_kind)i)) ==
		    0) {
			*kind = (enum store_delta_kind)i;
			return 0;
		}
	return err_set(err, ERR_PARSE,
	    "change: neither moved nor died nor reissued nor expired");
}

/* What two columns say together. */
static int
check(struct delta_row *out, int today, struct err *err)
{
	const struct store_cert *c = &out->row.cert;

	if (out->whole && registry_row_check(&out->row, today, err) == -1)
		return -1;
	if (out->kind != STORE_DELTA_REISSUED)
		return 0;
	if (out->old_issuer[0] == '\0')
		memcpy(out->old_issuer, c->issuer, sizeof(out->old_issuer));
	if (c->not_before > c->not_after)
		return err_set(err, ERR_RANGE, "not_before is after not_after");
	if (strcmp(out->old_serial, c->serial) == 0 &&
	    strcmp(out->old_issuer, c->issuer) == 0)
		return err_set(err, ERR_PARSE,
		    "replaces: a certificate does not replace itself");
	return 0;
}

int
delta_row_parse(struct delta_row *out, const struct delta_header *header,
    const struct csv_row *row, int today, struct err *err)
{
	char text[REGISTRY_FIELD_MAX];
	unsigned int form;
	size_t c;
	int rc;

	memset(out, 0, sizeof(*out));
	out->crl_reason = -1;
	if (row->n != header->n)
		return err_set(err, ERR_PARSE,
		    "the row has %zu fields and the header has %zu", row->n,
		    header->n);
	if (field_of(text, sizeof(text), header, row, DELTA_CHANGE, err) ==
		-1 ||
	    kind_parse(&out->kind, text, err) == -1)
		return -1;
	rc = field_of(text, sizeof(text), header, row, DELTA_DATE, err);
	form = out->kind;
	if (out->kind == STORE_DELTA_MOVED) {
		out->whole = text[0] != '\0';
		form = out->whole ? STORE_DELTA_MOVED : CODE;
	}
	for (c = 0; c < DELTA_COLUMN_COUNT && rc == 0; c++) {
		rc = field_of(text, sizeof(text), header, row, c, err);
		if (rc == 0)
			rc = column_take(out, form, c, text, today, err);
	}
	secret_cleanse(text, sizeof(text));
	return rc == 0 ? check(out, today, err) : -1;
}
