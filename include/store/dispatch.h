/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.h -- what others are told: the certification authority about each
 * new status, the holder and the municipality about a case.
 *
 * A row is written in the transaction that changes a status, for the kinds
 * that store_options.tell names, and none for the others.  Several nodes share
 * the work: a row that was taken is its taker's until the lease ends, by the
 * database's clock.  Of one certificate only the newest status is told, never an older after a newer: a
 * new row replaces the one before, and waits while that is being told.  Rows
 * stay, with each attempt, as the record of who was told when.  No row holds
 * personal data; a holder's contact is read sealed when it is needed.
 */
#ifndef STORE_DISPATCH_H
#define STORE_DISPATCH_H

#include "store/store.h"

#define STORE_DISPATCH_PAGE 16      /* rows that are taken or listed at once */
#define STORE_DISPATCH_ATTEMPTS 64  /* attempts that are listed at once */
#define STORE_DISPATCH_KEY_SIZE 112 /* of an idempotency key, with the NUL */
#define STORE_DISPATCH_WORDS 160    /* of a reason, with the NUL */
#define STORE_DISPATCH_CONTACT 1024 /* sealed bytes, see secret_open() */

/* Who is told.  A bit 1 << kind of store_options.tell. */
enum store_dispatch_kind {
	STORE_TELL_CA,           /* the certification authority */
	STORE_TELL_HOLDER,       /* by SMS, letter or mail */
	STORE_TELL_MUNICIPALITY, /* that keeps the holder's record */
	STORE_TELL_COUNT
};

/* What they are told. */
enum store_dispatch_what {
	STORE_NEWS_HOLD,   /* put on hold */
	STORE_NEWS_LIFT,   /* the hold was lifted */
	STORE_NEWS_REVOKE, /* revoked for good */
	STORE_NEWS_PART,   /* some lifted, some revoked; to holders only */
	STORE_NEWS_CASE,   /* a new case; to municipalities only */
	STORE_NEWS_COUNT
};

enum store_dispatch_state {
	STORE_DISPATCH_WAITING,   /* to be told when it is due */
	STORE_DISPATCH_DONE,      /* told; of an authority: and read back */
	STORE_DISPATCH_FAILED,    /* given up: nothing can be sent */
	STORE_DISPATCH_DISAGREES, /* the authority says something else */
	STORE_DISPATCH_REPLACED,  /* a newer status was there first */
	STORE_DISPATCH_STATE_COUNT
};

/* "ca", "holder", "municipality"; never NULL. */
const char *store_dispatch_kind_name(enum store_dispatch_kind kind);
/* "hold", "lift", "revoke", "part", "case"; never NULL. */
const char *store_dispatch_what_name(enum store_dispatch_what what);
/* "waiting", "done", "failed", "disagrees", "replaced"; never NULL. */
const char *store_dispatch_state_name(enum store_dispatch_state state);

struct store_dispatch {
	int64_t id;
	enum store_dispatch_kind kind;
	enum store_dispatch_what what;
	enum store_dispatch_state state;
	int64_t hold_id; /* 0: the registry says so; compared, not told */
	char key[STORE_DISPATCH_KEY_SIZE]; /* the same in every attempt */
	int64_t generation;                /* of the status; 0 = a notice */
	int64_t tries;                     /* attempts so far, this one too */
	int64_t created_us;
	int64_t due_us;  /* looked at next, by the database's clock; 0 = now,
			    or never when it is over */
	int64_t told_us; /* first done; 0 = not yet, or to be told again */
	char last[STORE_DISPATCH_WORDS]; /* how the last attempt ended */
	/* to an authority: the certificate as it is now; else id = 0 */
	struct store_cert cert;
	/* of a hold; else "" */
	char receipt[STORE_RECEIPT_DIGITS + 1];
	char municipality[7];
	char lang[8];
	/* to a holder, when taken; else contact_len = 0 */
	uint32_t key_version;
	size_t contact_len;
	uint8_t contact[STORE_DISPATCH_CONTACT];
};

/*
 * Take rows of one kind that are due, the longest due first, and begin an
 * attempt at each.  They are nobody else's until lease_us from now; what was
 * not settled then is taken again.  Idempotent only in that sense.
 */
struct store_dispatch_take {
	struct store_req req;
	/* in */
	enum store_dispatch_kind kind;
	size_t max;       /* 1 to STORE_DISPATCH_PAGE */
	int64_t lease_us; /* longer than an attempt takes; a day at most */
	/* out */
	size_t n;
	struct store_dispatch rows[STORE_DISPATCH_PAGE];
};
void store_dispatch_take(struct store *s, struct store_dispatch_take *r);

/*
 * How an attempt ended.  A row that was replaced meanwhile stays so, and one
 * that somebody else took after the lease is left to them; the attempt is on
 * record in any case.
 */
struct store_dispatch_settle {
	struct store_req req;
	/* in */
	int64_t id;
	int64_t tries; /* as it was taken */
	/* WAITING, DISAGREES: again after so long.  DONE: compared again
	 * after so long; 0 = never.  FAILED: 0. */
	enum store_dispatch_state state;
	int64_t after_us;
	char words[STORE_DISPATCH_WORDS]; /* no personal data */
	/* out */
	bool lost; /* it was somebody else's by then */
};
void store_dispatch_settle(struct store *s, struct store_dispatch_settle *r);

/* Newest first, a page at a time.  contact_len is 0. */
struct store_dispatch_list {
	struct store_req req;
	/* in */
	int64_t before_id; /* 0 = from the newest; else older than this */
	int64_t hold_id;   /* of this hold, its certificates' too; 0 = all */
	int64_t cert_id;   /* of this certificate; 0 = all */
	bool open;         /* all: only what waits, failed or disagrees */
	/* out */
	size_t n; /* STORE_DISPATCH_PAGE: there may be more */
	struct store_dispatch rows[STORE_DISPATCH_PAGE];
};
void store_dispatch_list(struct store *s, struct store_dispatch_list *r);

/* One attempt at a row. */
struct store_dispatch_attempt {
	int64_t nr; /* 1, 2, ... */
	int64_t begun_us;
	int64_t ended_us; /* 0 = it is under way, or its node died */
	enum store_dispatch_state state;  /* when it ended */
	char words[STORE_DISPATCH_WORDS]; /* "" until then */
};

/* The attempts at one row, newest first; at most a page. */
struct store_dispatch_attempts {
	struct store_req req;
	int64_t id; /* in */
	/* out */
	size_t n;
	struct store_dispatch_attempt attempts[STORE_DISPATCH_ATTEMPTS];
};
void store_dispatch_attempts(
    struct store *s, struct store_dispatch_attempts *r);

/*
 * Tell again, now: rows that wait, failed or disagree; one that is being told
 * is left alone.  With an id also one that is done.  ERR_NOTFOUND: no row has
 * that id; ERR_REFUSED: it was replaced, or is being told.
 */
struct store_dispatch_retry {
	struct store_req req;
	/* in */
	int64_t id; /* 0 = all of the kind */
	enum store_dispatch_kind kind;
	/* out */
	int64_t n;
};
void store_dispatch_retry(struct store *s, struct store_dispatch_retry *r);

/* How much there is of each kind in each state that is not over. */
struct store_dispatch_depth {
	struct store_req req;
	/* out */
	int64_t waiting[STORE_TELL_COUNT];
	int64_t failed[STORE_TELL_COUNT];
	int64_t disagrees[STORE_TELL_COUNT];
	int64_t oldest_us[STORE_TELL_COUNT]; /* waits since; 0 = none does */
};
void store_dispatch_depth(struct store *s, struct store_dispatch_depth *r);

#endif
