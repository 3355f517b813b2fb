/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres.h -- what the files of the PostgreSQL engine share.  Nobody else
 * includes it.  Store thread only.
 */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include <libpq-fe.h>

#include "engine.h"

/* Advisory locks: this and a number below. */
#define POSTGRES_LOCKS 0x686f6c64 /* "hold" */
#define POSTGRES_LOCK_WRITERS 1
#define POSTGRES_LOCK_FIRST 2   /* enum db_lock counts from here */
#define POSTGRES_LOCK_CHAIN 100 /* audit chains count from here */

/* Where the server is, without anything secret. */
struct postgres_url {
	char *text;      /* as the setting says; may have a password */
	char *password;  /* that is in it; NULL = none */
	char where[128]; /* for people: "holdline at db1:5432" */
};

/* What was sent in pipeline mode and is not answered yet. */
struct postgres_sent {
	struct db_query *q; /* wants the rows; NULL = nobody does */
	bool *prepares;     /* it prepares what this says; NULL = nothing */
	int64_t rows;       /* that must be written; -1 = any */
};

#define POSTGRES_SENT_MAX 256 /* their answers fit into a socket's buffer */

/* A list on its way to the server, in binary: postgres_rows.c. */
struct postgres_array {
	uint8_t *bytes;
	size_t len, size;
	uint32_t n;
	bool nulls;
	enum db_type type; /* of the elements that are not NULL */
};

/* Rows of values likewise, column by column. */
#define POSTGRES_COLUMNS 16
struct postgres_rows {
	int n_columns;
	struct postgres_array columns[POSTGRES_COLUMNS];
	enum db_type types[POSTGRES_COLUMNS]; /* as they were prepared */
};

struct postgres_db {
	struct store_db db; /* first */
	struct postgres_url url;
	PGconn *conn;   /* NULL = none */
	int timeout_ms; /* for an answer */
	int chain;      /* the audit chain that it has locked; -1 = none */
	bool warned;    /* the server warned since it was cleared */
	bool open;      /* a transaction was begun there */
	bool failed;    /* it is beyond use */
	bool pipeline;  /* statements are sent without waiting for answers */
	size_t n_sent;
	struct postgres_sent sent[POSTGRES_SENT_MAX];
	struct postgres_array list; /* of the statement that is being sent */
	/* A server that cannot be reached is not asked again at once. */
	int64_t retry_us; /* monotonic */
	struct err why;
};

struct postgres_db *postgres_of(struct store_db *db);

/* ---- postgres_connect.c */

/* Take the setting apart; ERR_REFUSED when it cannot be one. */
int postgres_url_parse(
    struct postgres_url *url, const char *text, struct err *err);
void postgres_url_free(struct postgres_url *url);

/* Connect, and assert that this server keeps what it is told. */
int postgres_connect(struct postgres_db *d, struct err *err);

/* Close the connection and forget what was prepared on it. */
void postgres_disconnect(struct postgres_db *d);

/* ---- postgres_query.c */

/* Run statements without parameters; the last one's result (PQclear), or NULL
 * with *err.  timeout_ms -1 = none. */
PGresult *postgres_ask(
    struct postgres_db *d, const char *sql, int timeout_ms, struct err *err);
/* The same, and the result is of no interest. */
int postgres_exec(
    struct postgres_db *d, const char *sql, int timeout_ms, struct err *err);
/* Send only, and wait only: for the commit.  NULL: there is no answer. */
PGresult *postgres_wait(struct postgres_db *d, int timeout_ms);

/* A value on its way to the server, in binary. */
#define POSTGRES_ODD (2 * STORE_CALL_ID_MAX + 3) /* as gateways' texts get */
struct postgres_parameter {
	uint8_t number[8];
	char odd[POSTGRES_ODD];
};

/* The bytes of a value and how many; NULL for NULL.  Borrowed from both. */
const char *postgres_parameter(
    struct postgres_parameter *p, const struct db_value *v, int *len);

/* Statements are sent in pipeline mode; everything else leaves it first: what
 * was sent is answered then. */
int postgres_pipeline_exit(struct postgres_db *d, struct err *err);

/* Make room for a statement, send its preparation and itself, and note that it
 * was sent: what postgres_rows.c does in its own way.  `several` rows: the
 * statement's other form. */
int postgres_send_begin(struct postgres_db *d, struct err *err);
int postgres_prepare(struct postgres_db *d, struct db_query *q, bool several,
    const char *sql, int n, const Oid *types);
int postgres_send(struct postgres_db *d, const struct db_query *q, bool several,
    int n, const char *const *values, const int *lengths);
void postgres_note_sent(
    struct postgres_db *d, struct db_query *q, bool *prepares, int64_t rows);

void postgres_ahead(struct db_query *q);
int postgres_post(struct db_query *q, int64_t rows, struct err *err);
int postgres_step(struct db_query *q, struct err *err);
struct db_value postgres_column(struct db_query *q, int column);
void postgres_reset(struct db_query *q);

/* ---- postgres_rows.c */

/* Make a list: begin, add, end; then bytes and len are the parameter. */
void postgres_array_begin(struct postgres_array *a);
int postgres_array_add(
    struct postgres_array *a, const struct db_value *v, struct err *err);
void postgres_array_end(struct postgres_array *a);

int postgres_row(struct db_query *q, struct err *err);
int postgres_post_rows(struct db_query *q, int64_t rows, struct err *err);
void postgres_rows_free(struct db_query *q);

/* ---- postgres_load.c */

int postgres_load_row(struct db_query *q, struct err *err);
int postgres_load_end(struct db_query *q, struct err *err);
int postgres_new_ids(struct store_db *db, const char *table, int64_t *ids,
    size_t n, struct err *err);
int postgres_last_number(struct store_db *db, const char *table,
    const char *column, int64_t *last, struct err *err);
int postgres_set_last_number(struct store_db *db, const char *table,
    const char *column, int64_t last, struct err *err);

/* ---- postgres_standby.c: as engine.h says */

unsigned int postgres_hosts(struct store_db *db);
int postgres_standby(struct store_db *db, struct err *err);

/* ---- postgres_news.c: as engine.h says */

int postgres_news(struct store_db *db, struct err *err);
int postgres_news_start(struct store_db *db, struct err *err);
int postgres_news_fd(struct store_db *db);
int postgres_news_read(struct store_db *db);

/* ---- postgres_fault.c */

/* Turn a result, or NULL for no answer, into a sentence; returns -1.  A
 * connection that is of no use any more is closed. */
int postgres_fault(
    struct postgres_db *d, const PGresult *result, struct err *err);

/* A message of libpq or the server in one line. */
void postgres_line(const char *message, char *out, size_t size);

/* ---- postgres_schema.c */

/* ERR_REFUSED when the database has tables and none of them is our mark. */
int postgres_check_owner(struct postgres_db *d, struct err *err);
int postgres_version(struct store_db *db, int64_t *version, struct err *err);
int postgres_script(struct store_db *db, const char *sql, struct err *err);
int postgres_set_version(struct store_db *db, int64_t version, struct err *err);
extern const char postgres_swap_check[], postgres_swap[];

#endif
