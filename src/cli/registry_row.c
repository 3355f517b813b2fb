/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/municipality.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/registry_row.h"
#include "wire/csv.h"

#define MY_NUMBER_DIGITS 12
#define ISSUER_BYTES (STORE_ISSUER_HEX / 2)

/* ASCII alone, whatever the locale. */
static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

int
registry_trim(char *out, size_t size, const char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len >= size)
		return -1;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

/* Twelve digits, however they are set apart, could be a My Number; so could
 * nothing that has letters in it. */
static bool
like_my_number(const char *text)
{
	size_t digits = 0;

	for (; *text != '\0'; text++)
		if (*text >= '0' && *text <= '9')
			digits++;
		else if ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z')
			return false;
	return digits == MY_NUMBER_DIGITS;
}

static int
parse_ref(struct registry_row *out, const char *text, struct err *err)
{
	const char *p;

	if (text[0] == '\0')
		return err_set(err, ERR_PARSE, "empty");
	if (strlen(text) > REGISTRY_REF_MAX)
		return err_set(err, ERR_PARSE, "longer than %d characters",
		    REGISTRY_REF_MAX);
	for (p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			return err_set(err, ERR_PARSE,
			    "a character in it is not printable ASCII");
	if (like_my_number(text))
		return err_set(err, ERR_REFUSED,
		    REGISTRY_MY_NUMBER "; use another reference");
	return str_copy(out->ref, sizeof(out->ref), text);
}

static int
parse_day(int *ymd, const char *text, struct err *err)
{
	if ((*ymd = clock_ymd_parse(text)) == 0)
		return err_set(err, ERR_PARSE,
		    "not a day of the calendar written YYYY-MM-DD");
	return 0;
}

static int
parse_birth(struct registry_row *out, const char *text, struct err *err)
{
	int ymd;

	if (parse_day(&ymd, text, err) == -1)
		return -1;
	snprintf(out->birth, sizeof(out->birth), "%08d", ymd);
	return 0;
}

static int
parse_postal(struct registry_row *out, const char *text, struct err *err)
{
	char digits[FACTOR_POSTAL_DIGITS + 2];

	if (str_copy(digits, sizeof(digits), text) == 0 &&
	    strlen(digits) == 8 && digits[3] == '-')
		memmove(digits + 3, digits + 4, 5);
	if (!str_is_digits(digits, 7, 7))
		return err_set(
		    err, ERR_PARSE, "not seven digits such as 100-0001");
	return str_copy(out->postal, sizeof(out->postal), digits);
}

static int
parse_municipality(struct registry_row *out, const char *text, struct err *err)
{
	if (!str_is_digits(text, 6, 6))
		return err_set(err, ERR_PARSE, "not six digits%s",
		    str_is_digits(text, 5, 5) ? "; a leading zero or the "
						"check digit may be lost"
					      : "");
	if (!municipality_code_valid(text))
		return err_set(
		    err, ERR_PARSE, "check digit of %s is wrong", text);
	if (municipality_find(text) == NULL)
		return err_set(
		    err, ERR_NOTFOUND, "no municipality has the code %s", text);
	return str_copy(out->municipality, sizeof(out->municipality), text);
}

/* One number, without its hyphens and with 0 for +81, into out. */
static int
parse_phone(char out[REGISTRY_PHONE_DIGITS + 1], const char *text, size_t len)
{
	size_t n = 0, i = 0;

	if (len > 3 && memcmp(text, "+81", 3) == 0) {
		out[n++] = '0';
		i = 3;
	}
	for (; i < len; i++) {
		if (text[i] == '-')
			continue;
		if (n == REGISTRY_PHONE_DIGITS || text[i] < '0' ||
		    text[i] > '9')
			return -1;
		out[n++] = text[i];
	}
	out[n] = '\0';
	return n >= REGISTRY_PHONE_DIGITS - 1 ? 0 : -1;
}

static int
parse_phones(struct registry_row *out, const char *text, struct err *err)
{
	size_t len;

	for (;; text += len) {
		text += strspn(text, " ;");
		if ((len = strcspn(text, " ;")) == 0)
			return 0;
		if (out->n_phones == STORE_PHONES_MAX)
			return err_set(err, ERR_RANGE, "more than %d numbers",
			    STORE_PHONES_MAX);
		if (parse_phone(out->phones[out->n_phones], text, len) == -1)
			return err_set(err, ERR_PARSE,
			    "number %u is not 10 or 11 digits",
			    out->n_phones + 1);
		out->n_phones++;
	}
}

static int
parse_pin(struct registry_row *out, const char *text, struct err *err)
{
	if (text[0] != '\0' &&
	    !str_is_digits(text, FACTOR_PIN_MIN, FACTOR_PIN_MAX))
		return err_set(err, ERR_PARSE, "not %d to %d digits",
		    FACTOR_PIN_MIN, FACTOR_PIN_MAX);
	return str_copy(out->pin, sizeof(out->pin), text);
}

static int
parse_kana(struct registry_row *out, const char *text, struct err *err)
{
	size_t n = 0;
	const char *p;

	for (p = text; *p != '\0'; p++) {
		if (is_control(*p))
			return err_set(
			    err, ERR_PARSE, "a control character is in it");
		n += ((unsigned char)*p & 0xc0) != 0x80;
	}
	if (n > REGISTRY_KANA_MAX)
		return err_set(err, ERR_RANGE, "longer than %d characters",
		    REGISTRY_KANA_MAX);
	if (like_my_number(text))
		return err_set(err, ERR_REFUSED, REGISTRY_MY_NUMBER);
	return str_copy(out->kana, sizeof(out->kana), text);
}

static int
parse_carrier(struct registry_row *out, const char *text, struct err *err)
{
	int i;

	for (i = 0; i < STORE_CARRIER_COUNT; i++)
		if (strcmp(text, store_carrier_name((enum store_carrier)i)) ==
		    0) {
			out->cert.carrier = (enum store_carrier)i;
			return 0;
		}
	return err_set(err, ERR_PARSE, "neither card nor smartphone");
}

static int
parse_kind(struct registry_row *out, const char *text, struct err *err)
{
	int i;

	for (i = 0; i < STORE_KIND_COUNT; i++)
		if (strcmp(text, store_kind_name((enum store_kind)i)) == 0) {
			out->cert.kind = (enum store_kind)i;
			return 0;
		}
	return err_set(err, ERR_PARSE, "neither signature nor authentication");
}

static int
parse_issuer(struct registry_row *out, const char *text, struct err *err)
{
	uint8_t bytes[ISSUER_BYTES];

	if (strlen(text) != STORE_ISSUER_HEX ||
	    str_unhex(text, bytes, sizeof(bytes)) == -1)
		return err_set(
		    err, ERR_PARSE, "not the 40 hexadecimal digits of a SHA-1");
	str_hex(bytes, sizeof(bytes), out->cert.issuer);
	return 0;
}

int
registry_serial(
    char out[STORE_SERIAL_MAX + 1], const char *text, struct err *err)
{
	size_t n, odd, i;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	n = strspn(text, "0123456789abcdefABCDEF");
	if (n == 0 || text[n] != '\0')
		return err_set(err, ERR_PARSE, "not a hexadecimal number");
	while (*text == '0')
		text++;
	if ((n = strlen(text)) == 0)
		return err_set(err, ERR_RANGE, "zero is no serial number");
	if (n > STORE_SERIAL_MAX)
		return err_set(err, ERR_RANGE,
		    "more than %d hexadecimal digits", STORE_SERIAL_MAX);
	odd = n % 2;
	out[0] = '0';
	for (i = 0; i <= n; i++)
		out[odd + i] = (char)tolower((unsigned char)text[i]);
	return 0;
}

static int
parse_serial(struct registry_row *out, const char *text, struct err *err)
{
	return registry_serial(out->cert.serial, text, err);
}

static int
parse_not_before(struct registry_row *out, const char *text, struct err *err)
{
	return parse_day(&out->cert.not_before, text, err);
}

static int
parse_not_after(struct registry_row *out, const char *text, struct err *err)
{
	return parse_day(&out->cert.not_after, text, err);
}

static int
parse_status(struct registry_row *out, const char *text, struct err *err)
{
	int i;

	for (i = 0; i < STORE_STATUS_COUNT; i++)
		if (strcmp(text, store_status_name((enum store_status)i)) ==
		    0) {
			out->cert.status = (enum store_status)i;
			return 0;
		}
	if (text[0] == '\0')
		return 0; /* good */
	return err_set(err, ERR_PARSE, "neither good nor hold nor revoked");
}

static int
parse_mail(struct registry_row *out, const char *text, struct err *err)
{
	if (text[0] != '\0' && !str_is_mail(text))
		return err_set(err, ERR_PARSE, "not a mail address");
	if (str_copy(out->mail, sizeof(out->mail), text) == -1)
		return err_set(
		    err, ERR_RANGE, "longer than %d bytes", REGISTRY_MAIL_MAX);
	return 0;
}

static int
parse_address(struct registry_row *out, const char *text, struct err *err)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (is_control(*p) || *p == '"' || *p == '\\')
			return err_set(err, ERR_PARSE,
			    "a control character, a quote or a backslash is "
			    "in it");
	if (like_my_number(text))
		return err_set(err, ERR_REFUSED, REGISTRY_MY_NUMBER);
	if (str_copy(out->address, sizeof(out->address), text) == -1)
		return err_set(err, ERR_RANGE, "longer than %d bytes",
		    REGISTRY_ADDRESS_MAX);
	return 0;
}

static int
parse_lang(struct registry_row *out, const char *text, struct err *err)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz_-");

	if (text[n] != '\0' || n == 1 || n > REGISTRY_LANG_MAX)
		return err_set(
		    err, ERR_PARSE, "not a language such as ja or en");
	return str_copy(out->lang, sizeof(out->lang), text);
}

static int (*const parsers[])(
    struct registry_row *out, const char *text, struct err *err) = {
	[REGISTRY_HOLDER_REF] = parse_ref,
	[REGISTRY_BIRTH_DATE] = parse_birth,
	[REGISTRY_POSTAL_CODE] = parse_postal,
	[REGISTRY_MUNICIPALITY] = parse_municipality,
	[REGISTRY_TELEPHONES] = parse_phones,
	[REGISTRY_PIN] = parse_pin,
	[REGISTRY_KANA_NAME] = parse_kana,
	[REGISTRY_CARRIER] = parse_carrier,
	[REGISTRY_KIND] = parse_kind,
	[REGISTRY_ISSUER] = parse_issuer,
	[REGISTRY_SERIAL] = parse_serial,
	[REGISTRY_NOT_BEFORE] = parse_not_before,
	[REGISTRY_NOT_AFTER] = parse_not_after,
	[REGISTRY_STATUS] = parse_status,
	[REGISTRY_MAIL] = parse_mail,
	[REGISTRY_ADDRESS] = parse_address,
	[REGISTRY_LANG] = parse_lang,
};
_Static_assert(sizeof(parsers) / sizeof(parsers[0]) == REGISTRY_COLUMN_COUNT,
    "every registry_column needs its rules");

int
registry_column_parse(struct registry_row *out, enum registry_column column,
    const char *text, struct err *err)
{
	return parsers[column](out, text, err);
}

int
registry_row_check(const struct registry_row *row, int today, struct err *err)
{
	char now[FACTOR_BIRTH_DIGITS + 4];

	snprintf(now, sizeof(now), "%08d", today);
	if (strcmp(row->birth, now) > 0)
		return err_set(err, ERR_RANGE, "birth_date is in the future");
	if (row->cert.not_before > row->cert.not_after)
		return err_set(err, ERR_RANGE, "not_before is after not_after");
	return 0;
}

int
registry_row_parse(struct registry_row *out,
    const struct registry_header *header, const struct csv_row *row, int today,
    struct err *err)
{
	char text[REGISTRY_FIELD_MAX];
	size_t c;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (row->n != header->n)
		return err_set(err, ERR_PARSE,
		    "the row has %zu fields and the header has %zu", row->n,
		    header->n);
	for (c = 0; c < REGISTRY_COLUMN_COUNT && rc == 0; c++) {
		if (header->at[c] >= header->n)
			continue; /* may be left out */
		if (registry_trim(
			text, sizeof(text), row->fields[header->at[c]]) == -1)
			rc = err_set(err, ERR_RANGE, "much too long");
		else
			rc = parsers[c](out, text, err);
		if (rc == -1)
			err_add(err, "%s",
			    registry_column_name((enum registry_column)c));
	}
	secret_cleanse(text, sizeof(text));
	return rc == 0 ? registry_row_check(out, today, err) : -1;
}

bool
registry_row_same_holder(
    const struct registry_row *a, const struct registry_row *b)
{
	unsigned int i;

	if (strcmp(a->ref, b->ref) != 0 || strcmp(a->birth, b->birth) != 0 ||
	    strcmp(a->postal, b->postal) != 0 ||
	    strcmp(a->municipality, b->municipality) != 0 ||
	    strcmp(a->pin, b->pin) != 0 || strcmp(a->kana, b->kana) != 0 ||
	    strcmp(a->mail, b->mail) != 0 ||
	    strcmp(a->address, b->address) != 0 ||
	    strcmp(a->lang, b->lang) != 0 || a->n_phones != b->n_phones)
		return false;
	for (i = 0; i < a->n_phones; i++)
		if (strcmp(a->phones[i], b->phones[i]) != 0)
			return false;
	return true;
}
