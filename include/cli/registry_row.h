/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_row.h -- one row of the registry's CSV: checked and normalised.
 *
 * Pure: no store, no keys, no clock.  The rules are written down for those
 * who make the file in doc/registry.md; every rule has its own reason, which
 * names the column and never repeats personal data.  Any thread.
 */
#ifndef CLI_REGISTRY_ROW_H
#define CLI_REGISTRY_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "store/registry.h"
#include "store/store.h"
#include "verify/factor.h"

struct csv_row;
struct err;

/* The columns, in the order in which they are documented. */
enum registry_column {
	REGISTRY_HOLDER_REF,
	REGISTRY_BIRTH_DATE,
	REGISTRY_POSTAL_CODE,
	REGISTRY_MUNICIPALITY,
	REGISTRY_TELEPHONES,
	REGISTRY_PIN,
	REGISTRY_KANA_NAME,
	REGISTRY_CARRIER,
	REGISTRY_KIND,
	REGISTRY_ISSUER,
	REGISTRY_SERIAL,
	REGISTRY_NOT_BEFORE,
	REGISTRY_NOT_AFTER,
	REGISTRY_STATUS,
	REGISTRY_MAIL, /* this and the rest may be left out */
	REGISTRY_ADDRESS,
	REGISTRY_LANG,
	REGISTRY_COLUMN_COUNT
};
#define REGISTRY_OPTIONAL REGISTRY_MAIL /* the first such column */

#define REGISTRY_HEADER \
	"holder_ref,birth_date,postal_code,municipality_code,telephones,pin," \
	"kana_name,carrier,kind,issuer,serial,not_before,not_after,status"

#define REGISTRY_REF_MAX 64      /* characters of a holder reference */
#define REGISTRY_KANA_MAX 100    /* characters of a name */
#define REGISTRY_PHONE_DIGITS 11 /* of a telephone number, at most */
#define REGISTRY_MAIL_MAX 100    /* bytes of a mail address */
#define REGISTRY_ADDRESS_MAX 210 /* bytes of a postal address */
#define REGISTRY_LANG_MAX 7
#define REGISTRY_FIELD_MAX 1024 /* bytes of any field, with the NUL */

/* Where each column stands in this file. */
struct registry_header {
	size_t n;                         /* columns that there are */
	size_t at[REGISTRY_COLUMN_COUNT]; /* not below n: not there */
};

/* Part of the reason of a row that may hold a My Number; such a row is not
 * copied into the reject file. */
#define REGISTRY_MY_NUMBER \
	"twelve digits could be a My Number, which is never stored"

/* A row, normalised.  Personal data: cleanse it. */
struct registry_row {
	char ref[REGISTRY_REF_MAX + 1];
	char birth[FACTOR_BIRTH_DIGITS + 1];   /* "19800229" */
	char postal[FACTOR_POSTAL_DIGITS + 1]; /* "1000001" */
	char municipality[7];
	unsigned int n_phones;
	char phones[STORE_PHONES_MAX][REGISTRY_PHONE_DIGITS + 1];
	char pin[FACTOR_PIN_MAX + 1]; /* "" = none */
	char kana[4 * REGISTRY_KANA_MAX + 1];
	char mail[REGISTRY_MAIL_MAX + 1]; /* "" = none, as these */
	char address[REGISTRY_ADDRESS_MAX + 1];
	char lang[REGISTRY_LANG_MAX + 1];
	struct store_cert cert; /* status_us is not set */
};

/* A column's name, such as "birth_date"; never NULL. */
const char *registry_column_name(enum registry_column column);

/* Is a file's first row text that can be read?  Returns 0, or -1 with *err
 * (ERR_PARSE). */
int registry_text_check(const struct csv_row *row, struct err *err);

/*
 * Read the header row.  Returns 0, or -1 with *err (ERR_PARSE), one sentence
 * that names what is unknown, missing or there twice.
 */
int registry_header_parse(
    struct registry_header *header, const struct csv_row *row, struct err *err);

/*
 * Check and normalise a row that has no fault.  `today` is a Japanese day:
 * nobody is born after it.  Returns 0, or -1 with the reason in *err.
 */
int registry_row_parse(struct registry_row *out,
    const struct registry_header *header, const struct csv_row *row, int today,
    struct err *err);

/* A field without blanks at both ends; -1 when it does not fit. */
int registry_trim(char *out, size_t size, const char *field);

/* One column of a row, from a field that was trimmed.  Returns 0, or -1 with
 * the reason in *err, which does not name the column. */
int registry_column_parse(struct registry_row *out, enum registry_column column,
    const char *text, struct err *err);

/* Check what columns say together.  Returns as registry_row_parse(). */
int registry_row_check(
    const struct registry_row *row, int today, struct err *err);

/* Do two rows say the same about their holder? */
bool registry_row_same_holder(
    const struct registry_row *a, const struct registry_row *b);

/*
 * A serial number as the store has it: lower-case hexadecimal, whole bytes, no
 * 0x, no leading zero bytes.  Returns 0, or -1 with the reason in *err.
 */
int registry_serial(
    char out[STORE_SERIAL_MAX + 1], const char *text, struct err *err);

#endif
