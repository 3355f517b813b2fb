/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h -- the tables of the schema, for those who go through all of them.
 *
 * In the order in which they can be filled: what a row refers to is there
 * before it.  A migration that adds a table or a column adds it here; a test
 * compares this list with the schema that the migrations make.  Pure.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stdbool.h>

#define TABLE_PAGE 2000 /* rows of one page */
#define TABLE_KEY_MAX 2 /* columns of a key */

struct table {
	const char *name;
	unsigned int n_key; /* the first columns: the primary key */
	unsigned int n;     /* columns */
	const char *number; /* column that the database numbers; NULL = none */
	/* literals for db_query() and db_load() */
	const char *first; /* the first page, in the order of the key */
	const char *next;  /* the page after a key */
	const char *count;
	const char *into;
	const char *empty; /* deletes all rows */
	/* Inserts a row or brings it up to date; rows are never deleted there.
	 * NULL = the table is small enough to be written anew. */
	const char *merge;
	bool own; /* of one store alone: its rows are not copied */
};

/* All tables; ends with a NULL name. */
extern const struct table tables[];

#endif
