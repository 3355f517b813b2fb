/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cases.h -- reading the follow-up cases of the municipalities' counters, and
 * how they were decided.
 */
#ifndef STORE_CASES_H
#define STORE_CASES_H

#include "store/store.h"

#define STORE_CASE_PAGE 64
#define STORE_KEY_MAX 63     /* characters of a decision's key */
#define STORE_ENTRY_MAX 15   /* of the way by which it was made */
#define STORE_WHO_MAX 159    /* bytes of the name of who made it */
#define STORE_OUTCOME_MAX 15 /* of what came out */
#define STORE_REASON_MAX 300 /* bytes of the reason, in their words */
#define STORE_EVENT_MAX 23   /* of what happened in a case */

/* What a decision did with a certificate. */
enum store_act {
	STORE_ACT_NONE,   /* left as it was */
	STORE_ACT_LIFT,   /* hold -> good */
	STORE_ACT_REVOKE, /* hold -> revoked, at the instant of the hold */
	STORE_ACT_COUNT
};

/* "left", "lifted", "revoked"; never NULL. */
const char *store_act_name(enum store_act act);

struct store_case {
	int64_t id;
	char receipt[STORE_RECEIPT_DIGITS + 1]; /* 受付番号 */
	char municipality[7];                   /* local government code */
	char status[16];                        /* "open", "closed" */
	int64_t created_us;
	int64_t hold_id;
	char call_id[STORE_CALL_ID_MAX + 1];
	char lang[8];
	int64_t reported_us, verified_us, stored_us, visible_us;
	/* how it was decided; 0 and "" while it is open */
	int64_t decided_us;
	char outcome[STORE_OUTCOME_MAX + 1]; /* "found", "lost", ... */
	char entry[STORE_ENTRY_MAX + 1];     /* "break-glass", ... */
	unsigned int acts; /* 1 << enum store_act of its certificates */
	char last[STORE_EVENT_MAX + 1]; /* that happened since it was opened, a
		    store_case_event.what; "" = nothing */
};

/* Newest first, a page at a time. */
struct store_case_list {
	struct store_req req;
	/* in */
	int64_t before_id;    /* 0 = from the newest; else older than this */
	char municipality[7]; /* "" = all */
	/* out */
	size_t n; /* STORE_CASE_PAGE: there may be more */
	struct store_case cases[STORE_CASE_PAGE];
};
void store_case_list(struct store *s, struct store_case_list *r);

/* One case with its certificates; ERR_NOTFOUND when there is none. */
struct store_case_show {
	struct store_req req;
	/* in */
	char receipt[STORE_RECEIPT_DIGITS + 1];
	/* out */
	struct store_case found;
	size_t n;
	struct store_cert certs[STORE_CERTS_MAX]; /* that the hold took */
	int64_t seen_us[STORE_CERTS_MAX];     /* when relying parties first saw
			       its status as it is now; 0 = not yet */
	enum store_act acts[STORE_CERTS_MAX]; /* of the decision */
	char who[STORE_WHO_MAX + 1];          /* decided; "" = nobody yet */
	char reason[STORE_REASON_MAX + 1];
	uint32_t key_version;  /* of the sealed contact */
	size_t contact_len;    /* bytes; 0 = none */
	uint8_t contact[1024]; /* sealed, see secret_open() */
};
void store_case_show(struct store *s, struct store_case_show *r);

/* What happened in a case, oldest first. */
struct store_case_event {
	int64_t nr; /* 1, 2, ... of this case */
	int64_t at_us;
	char what[STORE_EVENT_MAX + 1]; /* "opened", "reported-again", ... */
};
struct store_case_events {
	struct store_req req;
	/* in */
	int64_t case_id;
	int64_t after_nr; /* 0 = from the first */
	/* out */
	size_t n; /* STORE_CASE_PAGE: there may be more */
	struct store_case_event events[STORE_CASE_PAGE];
};
void store_case_events(struct store *s, struct store_case_events *r);

/*
 * Do relying parties see what was decided?  visible_us is when the last
 * change of it was read back from the cache, 0 = not yet; a certificate that
 * was changed again since counts as seen.  ERR_NOTFOUND: it is not decided.
 */
struct store_case_seen {
	struct store_req req;
	int64_t case_id;    /* in */
	int64_t visible_us; /* out */
};
void store_case_seen(struct store *s, struct store_case_seen *r);

#endif
