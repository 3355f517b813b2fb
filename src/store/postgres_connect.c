/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL engine: connecting, and asserting at every connection (the
 * next one may be to another server) that what is told is kept.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/str.h"
#include "postgres.h"

#define OLDEST_SERVER 130000
#define RETRY_MAX_US (2 * CLOCK_S_US)

/* ---- the URL */

/* "host=db1 dbname=holdline": does it begin with a word that libpq knows? */
static bool
is_conninfo(const char *path)
{
	size_t n = strspn(path, "abcdefghijklmnopqrstuvwxyz_");
	PQconninfoOption *all, *o;
	bool known = false;

	if (n == 0 || path[n + strspn(path + n, " ")] != '=' ||
	    (all = PQconndefaults()) == NULL)
		return false;
	for (o = all; o->keyword != NULL && !known; o++)
		known = strlen(o->keyword) == n &&
		    strncmp(o->keyword, path, n) == 0;
	PQconninfoFree(all);
	return known;
}

bool
postgres_is_url(const char *path)
{
	return path != NULL &&
	    (strncmp(path, "postgresql://", 13) == 0 ||
		strncmp(path, "postgres://", 11) == 0 || is_conninfo(path));
}

/* What libpq says of a URL may quote a password, so it is not passed on. */
static int
url_fault(struct err *err)
{
	return err_set(err, ERR_REFUSED,
	    "store: this is no URL of PostgreSQL; write "
	    "postgresql://ROLE@HOST/DATABASE?sslrootcert=FILE&passfile=FILE, "
	    "look for misspelt names after the ?, and write @ : / ? # %% in a "
	    "name as %%40 %%3A %%2F %%3F %%23 %%25");
}

static const char *
option_value(const PQconninfoOption *o, const char *keyword)
{
	for (; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val != NULL && o->val[0] != '\0' ? o->val
								   : NULL;
	return NULL;
}

/* A password with an @ or / in it ends up in part as another's name, and would
 * be told to everybody as one. */
static bool
looks_torn(const char *host, const char *port, const char *database)
{
	return (host != NULL && strchr(host + 1, '@') != NULL) ||
	    (port != NULL && port[strspn(port, "0123456789,")] != '\0') ||
	    (database != NULL && strchr(database, '@') != NULL);
}

static int
url_take(struct postgres_url *url, const PQconninfoOption *o, struct err *err)
{
	const char *host = option_value(o, "host");
	const char *port = option_value(o, "port");
	const char *database = option_value(o, "dbname");
	const char *password = option_value(o, "password");

	if (host == NULL)
		host = option_value(o, "hostaddr");
	if (looks_torn(host, port, database))
		return url_fault(err);
	if (password != NULL && (url->password = strdup(password)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	snprintf(url->where, sizeof(url->where), "%s at %s%s%s",
	    database != NULL ? database : "(default database)",
	    host != NULL ? host : "the default server", port != NULL ? ":" : "",
	    port != NULL ? port : "");
	return 0;
}

int
postgres_url_parse(struct postgres_url *url, const char *text, struct err *err)
{
	PQconninfoOption *options;
	char *detail = NULL;
	int rc;

	if ((url->text = strdup(text)) == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	options = PQconninfoParse(text, &detail);
	PQfreemem(detail);
	if (options == NULL)
		return url_fault(err);
	rc = url_take(url, options, err);
	PQconninfoFree(options);
	return rc;
}

static void
cleanse_free(char *text)
{
	if (text != NULL)
		secret_cleanse(text, strlen(text));
	free(text);
}

void
postgres_url_free(struct postgres_url *url)
{
	cleanse_free(url->text);
	cleanse_free(url->password);
}

/* ---- reaching the server */

/*
 * What stands before dbname is the default for what the URL does not say, and
 * what stands after it goes over the URL.  Over TCP the server must prove who
 * it is; sslmode does not matter on a Unix socket.
 */
static PGconn *
reach(const struct postgres_url *url)
{
	const char *const keywords[] = { "fallback_application_name",
		"target_session_attrs", "sslmode", "connect_timeout",
		"keepalives_idle", "tcp_user_timeout", "dbname",
		"client_encoding", NULL };
	const char *const values[] = { "holdline", "read-write", "verify-full",
		"2", "10", "10000", url->text, "UTF8", NULL };
	locale_t c = newlocale(LC_MESSAGES_MASK, "C", (locale_t)0), before;
	PGconn *conn;

	/* its sentences are read by reach_hint() */
	before = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
	conn = PQconnectdbParams(keywords, values, 1);
	if (c != (locale_t)0) {
		uselocale(before);
		freelocale(c);
	}
	return conn;
}

/* Of several hosts the last one's words; libpq has a paragraph for each. */
static const char *
last_words(const char *message)
{
	static const char begin[] = "\nconnection to server";
	const char *next;

	while ((next = strstr(message, begin)) != NULL)
		message = next + 1;
	return message;
}

static const char *
reach_hint(const PGconn *conn, const char *words)
{
	if (PQconnectionNeedsPassword(conn))
		return "the server wants a password and there is none; put it "
		       "into a password file with mode 0600 and name it with "
		       "passfile= in the URL";
	if (strstr(words, "read-only") != NULL ||
	    strstr(words, "standby") != NULL)
		return "no server that can be written; name the primary, and "
		       "its standby beside it: HOST1,HOST2";
	if (strstr(words, "no pg_hba.conf entry") != NULL)
		return "it lets nobody in like this; check role and database "
		       "in the URL, and the server's pg_hba.conf";
	if (strstr(words, "certificate") != NULL ||
	    strstr(words, "SSL") != NULL)
		return "TLS failed; name the authority's certificate with "
		       "sslrootcert= in the URL, and the host as it stands in "
		       "the server's certificate";
	if (strstr(words, "too many") != NULL ||
	    strstr(words, "remaining connection slots") != NULL)
		return "it has no connection left; raise max_connections";
	if (strstr(words, "does not exist") != NULL &&
	    strstr(words, "database") != NULL)
		return "there is no such database; make it with createdb, "
		       "owned by this role";
	if (PQconnectionUsedPassword(conn))
		return "refused; check role, password and database";
	return "it cannot be reached; see that the server runs, and check "
	       "host, port and role in the URL and the server's pg_hba.conf";
}

static int
reach_fault(struct postgres_db *d, struct err *err)
{
	const char *message = PQerrorMessage(d->conn);
	char line[160];

	postgres_line(last_words(message), line, sizeof(line));
	if (d->url.password != NULL && strstr(message, d->url.password) != NULL)
		str_copy(line, sizeof(line), "its answer is not shown");
	err_set(err, ERR_STORE, "store %s: %s (%s)", d->url.where,
	    reach_hint(d->conn, message), line);
	postgres_disconnect(d);
	return -1;
}

/* ---- what it must be like */

static void
on_notice(void *ctx, const PGresult *notice)
{
	const char *severity =
	    PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL && strcmp(severity, "WARNING") == 0)
		((struct postgres_db *)ctx)->warned = true;
}

/* In the order of the columns below: 't' refuses. */
static const char *const demands[] = {
	"this server is a standby; name the primary in the URL",
	"the server is read-only; switch default_transaction_read_only off, "
	"or name the server that writes",
	"the database is not in UTF-8; make it anew with ENCODING 'UTF8' "
	"TEMPLATE template0",
	"synchronous_commit is off, so a power cut could take back what a "
	"caller was told; set it to on for this role, database or server",
	"fsync is off, so a power cut could take back what a caller was told; "
	"set it to on and restart the server",
};

#define DEMANDS \
	"SELECT pg_is_in_recovery()," \
	" current_setting('transaction_read_only') = 'on'," \
	" current_setting('server_encoding') <> 'UTF8'," \
	" current_setting('synchronous_commit') = 'off'," \
	" current_setting('fsync') = 'off'"

static int
check_server(struct postgres_db *d, struct err *err)
{
	int i, version = PQserverVersion(d->conn);
	PGresult *result;

	if (version < OLDEST_SERVER)
		return err_set(err, ERR_REFUSED,
		    "store %s: this is PostgreSQL %d; upgrade it to %d or "
		    "newer",
		    d->url.where, version / 10000, OLDEST_SERVER / 10000);
	if ((result = postgres_ask(d, DEMANDS, d->timeout_ms, err)) == NULL)
		return -1;
	for (i = 0; i < PQnfields(result); i++)
		if (*PQgetvalue(result, 0, i) == 't')
			break;
	if (i < PQnfields(result))
		err_set(
		    err, ERR_REFUSED, "store %s: %s", d->url.where, demands[i]);
	PQclear(result);
	return err->code == ERR_NONE ? 0 : -1;
}

/*
 * A node that hangs must not keep others from what it has locked.  The server
 * keeps plans, also those by which it checks references, as long as the
 * connection; one that was made while a table was empty reads all of it, until
 * somebody happens to ANALYZE it.  We ask by index; so plans are made like that
 * from the start.
 */
static int
set_up(struct postgres_db *d, struct err *err)
{
	char sql[320];

	snprintf(sql, sizeof(sql),
	    "SET client_min_messages = warning; SET jit = off;"
	    " SET enable_seqscan = off;"
	    " SET statement_timeout = %d; SET lock_timeout = %d;"
	    " SET idle_in_transaction_session_timeout = %d",
	    d->timeout_ms, d->timeout_ms / 2, d->timeout_ms);
	return postgres_exec(d, sql, d->timeout_ms, err);
}

static int
connect_now(struct postgres_db *d, struct err *err)
{
	err->code = ERR_NONE;
	d->conn = reach(&d->url);
	if (d->conn == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (PQstatus(d->conn) != CONNECTION_OK)
		return reach_fault(d, err);
	PQsetNoticeReceiver(d->conn, on_notice, d);
	if (check_server(d, err) == -1 || set_up(d, err) == -1) {
		postgres_disconnect(d);
		return -1;
	}
	return 0;
}

/* At most half of the time goes into trying, so that requests that wait are
 * answered, and their callers go to people. */
int
postgres_connect(struct postgres_db *d, struct err *err)
{
	int64_t begun_us = clock_mono_us(), took_us;

	if (begun_us < d->retry_us) {
		*err = d->why;
		return -1;
	}
	if (connect_now(d, err) == 0)
		return 0;
	took_us = clock_mono_us() - begun_us;
	d->retry_us =
	    clock_mono_us() + (took_us < RETRY_MAX_US ? took_us : RETRY_MAX_US);
	d->why = *err;
	return -1;
}

void
postgres_disconnect(struct postgres_db *d)
{
	size_t i;

	PQfinish(d->conn);
	d->conn = NULL;
	d->chain = -1;
	d->open = d->failed = d->pipeline = false;
	d->n_sent = 0;
	for (i = 0; i < DB_QUERIES; i++)
		d->db.queries[i].prepared = d->db.queries[i].prepared_rows =
		    false;
}
