/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL engine: several rows of values by one statement.  Each column
 * goes as an array, in binary, and the statement reads them as a table r with
 * the columns p1, p2, ...
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "postgres.h"

/* ---- arrays */

/* Dimensions, "has NULLs", the elements' type; how many, and from 1. */
#define HEADER 20
#define LENGTH 4 /* before each element; -1 = NULL */

static void
put_be32(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

void
postgres_array_begin(struct postgres_array *a)
{
	a->len = HEADER;
	a->n = 0;
	a->nulls = false;
	a->type = DB_INT;
}

/* Room for so many bytes more. */
static int
array_grow(struct postgres_array *a, size_t more, struct err *err)
{
	size_t size = a->size;
	uint8_t *bytes;

	if (a->len + more <= size)
		return 0;
	while (size < a->len + more)
		size = size > 0 ? 2 * size : 512;
	if ((bytes = realloc(a->bytes, size)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	a->bytes = bytes;
	a->size = size;
	return 0;
}

int
postgres_array_add(
    struct postgres_array *a, const struct db_value *v, struct err *err)
{
	struct postgres_parameter p;
	const char *bytes;
	int len;

	bytes = postgres_parameter(&p, v, &len);
	if (array_grow(a, LENGTH + (size_t)len, err) == -1)
		return -1;
	put_be32(a->bytes + a->len, bytes != NULL ? (uint32_t)len : UINT32_MAX);
	a->len += LENGTH;
	if (bytes != NULL) {
		memcpy(a->bytes + a->len, bytes, (size_t)len);
		a->len += (size_t)len;
		a->type = v->type;
	}
	a->nulls = a->nulls || bytes == NULL;
	a->n++;
	return 0;
}

void
postgres_array_end(struct postgres_array *a)
{
	static const uint32_t element[] = {
		[DB_INT] = 20, [DB_TEXT] = 25, [DB_BLOB] = 17
	};

	put_be32(a->bytes, 1);
	put_be32(a->bytes + 4, a->nulls);
	put_be32(a->bytes + 8, element[a->type]);
	put_be32(a->bytes + 12, a->n);
	put_be32(a->bytes + 16, 1);
}

/* The bytes of the only element, NULL for NULL. */
static const char *
array_only(const struct postgres_array *a, int *len)
{
	*len = a->nulls ? 0 : (int)(a->len - HEADER - LENGTH);
	return a->nulls ? NULL : (const char *)a->bytes + HEADER + LENGTH;
}

/* ---- the statement */

/* " FROM unnest($1, $2) AS r (p1, p2)" */
static void
put_table(FILE *out, int n)
{
	int i;

	fputs(" FROM unnest(", out);
	for (i = 1; i <= n; i++)
		fprintf(out, "%s$%d", i > 1 ? ", " : "", i);
	fputs(") AS r (", out);
	for (i = 1; i <= n; i++)
		fprintf(out, "%sp%d", i > 1 ? ", " : "", i);
	fputc(')', out);
}

/* Up to `end`, and a parameter becomes a column. */
static void
put_part(FILE *out, const char *sql, const char *end)
{
	for (; sql < end; sql++)
		fputc(
		    *sql == '$' && isdigit((unsigned char)sql[1]) ? 'p' : *sql,
		    out);
}

/* Behind the bracket that closes the one at `p`. */
static const char *
bracket_end(const char *p)
{
	int depth = 0;

	do {
		depth += (*p == '(') - (*p == ')');
		p++;
	} while (depth > 0);
	return p;
}

/*
 * "WHERE c = $1 ..." becomes "WHERE c = ANY($1) AND c = p1 ...": a plan that was
 * made for an empty table would else begin with reading all of it.
 */
static void
put_where(FILE *out, const char *where, const char *words)
{
	const char *at = strchr(words, '$');
	int len = (int)(at - words) + 1;

	assert(isdigit((unsigned char)at[1]));
	len += (int)strspn(at + 1, "0123456789");
	fprintf(out, "%s%.*sANY(%.*s) AND ", where, (int)(at - words), words,
	    len - (int)(at - words), at);
	put_part(out, words, words + strlen(words));
}

/* Owned (free); NULL = out of memory. */
static char *
text_of_rows(const char *sql, int n)
{
	static const char values[] = " VALUES ", where[] = " WHERE ";
	const char *at, *end;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (strncmp(sql, "INSERT ", 7) == 0) {
		at = strstr(sql, values);
		fprintf(out, "%.*s SELECT ", (int)(at - sql), sql);
		at += strlen(values);
		end = bracket_end(at);
		put_part(out, at + 1, end - 1);
		put_table(out, n);
		fputs(end, out);
	} else {
		assert(strncmp(sql, "UPDATE ", 7) == 0);
		at = strstr(sql, where);
		put_part(out, sql, at);
		put_table(out, n);
		put_where(out, where, at + strlen(where));
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- as engine.h says */

void
postgres_rows_free(struct db_query *q)
{
	struct postgres_rows *rows = q->rows;
	size_t i;

	if (rows == NULL)
		return;
	for (i = 0; i < POSTGRES_COLUMNS; i++)
		free(rows->columns[i].bytes);
	free(rows);
}

int
postgres_row(struct db_query *q, struct err *err)
{
	struct postgres_rows *rows = q->rows;
	int i;

	assert(q->n_values <= POSTGRES_COLUMNS);
	if (rows == NULL && (rows = q->rows = calloc(1, sizeof(*rows))) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (q->n_rows == 0) {
		rows->n_columns = q->n_values;
		for (i = 0; i < rows->n_columns; i++)
			postgres_array_begin(&rows->columns[i]);
	}
	assert(rows->n_columns == q->n_values);
	for (i = 0; i < rows->n_columns; i++)
		if (postgres_array_add(&rows->columns[i], &q->values[i], err) ==
		    -1)
			return -1;
	return 0;
}

/* The types of the columns are not to be guessed from unnest(). */
static int
prepare_rows(struct postgres_db *d, struct db_query *q)
{
	static const Oid array[] = {
		[DB_INT] = 1016, [DB_TEXT] = 1009, [DB_BLOB] = 1001
	};
	struct postgres_rows *rows = q->rows;
	Oid types[POSTGRES_COLUMNS];
	char *sql;
	int i, rc;

	for (i = 0; i < rows->n_columns; i++) {
		rows->types[i] = rows->columns[i].type;
		types[i] = array[rows->types[i]];
	}
	if ((sql = text_of_rows(q->sql, rows->n_columns)) == NULL)
		return -1;
	rc = postgres_prepare(d, q, true, sql, rows->n_columns, types);
	free(sql);
	return rc;
}

static int
send_rows(struct postgres_db *d, struct db_query *q)
{
	struct postgres_rows *rows = q->rows;
	const char *values[POSTGRES_COLUMNS];
	int i, lengths[POSTGRES_COLUMNS];

	if (!q->prepared_rows && prepare_rows(d, q) == -1)
		return -1;
	for (i = 0; i < rows->n_columns; i++) {
		assert(rows->columns[i].type == rows->types[i]);
		postgres_array_end(&rows->columns[i]);
		values[i] = (const char *)rows->columns[i].bytes;
		lengths[i] = (int)rows->columns[i].len;
	}
	return postgres_send(d, q, true, rows->n_columns, values, lengths);
}

/* One row needs no arrays. */
static int
send_row(struct postgres_db *d, struct db_query *q)
{
	struct postgres_rows *rows = q->rows;
	const char *values[POSTGRES_COLUMNS];
	int i, lengths[POSTGRES_COLUMNS];

	if (!q->prepared &&
	    postgres_prepare(d, q, false, q->sql, 0, NULL) == -1)
		return -1;
	for (i = 0; i < rows->n_columns; i++)
		values[i] = array_only(&rows->columns[i], &lengths[i]);
	return postgres_send(d, q, false, rows->n_columns, values, lengths);
}

int
postgres_post_rows(struct db_query *q, int64_t rows, struct err *err)
{
	struct postgres_db *d = postgres_of(q->db);

	q->db->written++;
	if (postgres_send_begin(d, err) == -1)
		return -1;
	if ((q->n_rows > 1 ? send_rows(d, q) : send_row(d, q)) == -1)
		return postgres_fault(d, NULL, err);
	postgres_note_sent(d, NULL, NULL, rows);
	return 0;
}
