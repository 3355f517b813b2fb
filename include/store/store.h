/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h -- what must survive: opening it, and handing it requests.
 *
 * The store is the truth.  Store threads own the database, a connection each.
 * A thread takes every request that waits for it, runs them in one transaction
 * (each can be undone alone), commits once with a sync to disk, and hands the
 * results back to the loop: when a request's done() runs, what it wrote is
 * durable, and every request submitted from then on sees it.
 *
 * Requests about one thing (a holder, a call) keep the order in which they
 * were submitted; others run beside them.
 *
 * Requests are intents, one struct each in the other headers of this room
 * (store_hold, store_lookup, ...), never SQL.  Use: zero the struct, fill its
 * "in" fields, set req.done and req.ctx, submit it with its own function.  The
 * struct is borrowed until done() runs, which happens exactly once, on the
 * loop thread, never inside the submit.  On failure req.err says why:
 *
 *	ERR_STORE	nothing was written (also: the queue was full)
 *	ERR_UNSURE	it may have been written: the commit's outcome is not
 *			known.  Submit the same intent again; its key makes
 *			that safe
 *	others		as the intent's comment says; nothing was written
 *
 * Several processes may open one store at once; with PostgreSQL, on several
 * machines.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/work.h"

#define STORE_MAC_SIZE 32       /* = SECRET_MAC_SIZE */
#define STORE_CALL_ID_MAX 63    /* characters of a call's unique id */
#define STORE_RECEIPT_DIGITS 10 /* characters of a receipt number */
#define STORE_SERIAL_MAX 40     /* hexadecimal digits: 20 bytes, RFC 5280 */
#define STORE_ISSUER_HEX 40     /* SHA-1 of the issuer's key, hexadecimal */
#define STORE_CERTS_MAX 16      /* certificates of one holder we look at */

struct store;    /* opaque: queues, threads, database */
struct store_db; /* opaque: a connection, as its store thread sees it */

/* The common head of every intent. */
struct store_req {
	struct work_item item; /* first; internal */
	int (*run)(struct store_db *db, struct store_req *req,
	    struct err *err); /* internal: runs in the transaction */
	int (*run_several)(struct store_db *db, struct store_req *const *reqs,
	    size_t n, size_t *ran,
	    struct err *err); /* internal: the same; NULL = there is none */
	unsigned int mode;    /* internal: enum db_mode */
	uint64_t order;       /* internal: 0 = none */
	void (*done)(struct store_req *req); /* loop thread */
	void *ctx;                           /* for done(); borrowed */
	struct err err;                      /* out: ERR_NONE when it worked */
	int64_t took_us; /* out: its transaction, and waiting to begin it */
};

struct store_options {
	/* Of the SQLite file, made when missing; or where PostgreSQL is:
	 * "postgresql://...", "postgres://..." or "host=... dbname=...". */
	const char *path;
	/* How many, with a connection each; with SQLite the first writes and
	 * the others only look things up.  0 = one connection, used inside
	 * store_dispatch() (tests, commands, virtual time). */
	unsigned int threads;
	size_t queue_max; /* requests that may wait in all; 0 = no limit */
	/* The wall clock that stamps "stored" times, in microseconds since
	 * 1970; called on the store threads.  NULL = the machine's. */
	int64_t (*wall_us)(void *ctx);
	void *wall_ctx;
	/* How long PostgreSQL may take to answer; 0 = 10 s. */
	int64_t timeout_us;
	/* Who is to be told of what is stored: bits 1 << enum
	 * store_dispatch_kind, see dispatch.h.  0 = nobody, and nothing piles
	 * up for them. */
	unsigned int tell;
};

/*
 * Open (and create or migrate) the database, and start its threads.  Asserts
 * WAL mode and synchronous=FULL, or what PostgreSQL calls so, refuses a
 * database that belongs to another application or to a newer schema.  Owned
 * (store_close); NULL with *err, one sentence that says what to do and has no
 * password in it.
 */
struct store *store_open(const struct store_options *options, struct err *err);

/* Finish all requests (their done() runs), then close.  NULL is a no-op. */
void store_close(struct store *s);

/* A descriptor readable when store_dispatch() has work; -1 with threads 0. */
int store_fd(const struct store *s);

/* Run done() of what has finished; returns how many.  With threads 0, first
 * run one batch. */
size_t store_dispatch(struct store *s);

/* Does one who writes keep all the others who write waiting?  (An SQLite file,
 * not PostgreSQL.) */
bool store_one_writer(const struct store *s);

/* Requests whose done() has not run yet. */
size_t store_pending(const struct store *s);

/*
 * Wait until `req`, already submitted, is done (done() may be NULL then).
 * For commands and tests; never on the daemon's loop.  Returns 0, or -1 with
 * the reason in req->err.
 */
int store_wait(struct store *s, struct store_req *req);

/* The same, with the reason in *err as well. */
int store_await(struct store *s, struct store_req *req, struct err *err);

/* A certificate's status in the store, the cache and the registry file. */
enum store_status {
	STORE_GOOD,
	STORE_HELD,    /* RFC 5280 certificateHold, 一時保留 */
	STORE_REVOKED, /* 失効; terminal */
	STORE_STATUS_COUNT
};
enum store_kind {
	STORE_SIGNATURE,      /* 署名用電子証明書 */
	STORE_AUTHENTICATION, /* 利用者証明用電子証明書 */
	STORE_KIND_COUNT
};
enum store_carrier {
	STORE_CARD,       /* 個人番号カード */
	STORE_SMARTPHONE, /* スマホ用電子証明書 */
	STORE_CARRIER_COUNT
};

/* "good", "hold", "revoked"; never NULL. */
const char *store_status_name(enum store_status status);
/* "signature", "authentication"; never NULL. */
const char *store_kind_name(enum store_kind kind);
/* "card", "smartphone"; never NULL. */
const char *store_carrier_name(enum store_carrier carrier);

/* A certificate, as every intent that returns one gives it. */
struct store_cert {
	int64_t id;
	int64_t holder; /* the holder's id */
	enum store_carrier carrier;
	enum store_kind kind;
	char issuer[STORE_ISSUER_HEX + 1]; /* lower-case hexadecimal */
	char serial[STORE_SERIAL_MAX + 1]; /* lower-case, even, no 0x */
	int not_before, not_after; /* Japanese days; valid through not_after */
	enum store_status status;
	int64_t generation; /* changes so far; 0 = never was not good */
	int reason;         /* RFC 5280 CRLReason while not good; 6 = hold */
	int64_t status_us;  /* when the status was taken; 0 with generation 0 */
};

#endif
