/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h -- the record of a call: when a loss was reported, how it ended.
 *
 * The time of the report is the legal instant, so it is stored before
 * anything else is asked, and the first record of a unique id stays when the
 * same call arrives again on another server.
 */
#ifndef STORE_CALL_H
#define STORE_CALL_H

#include "store/store.h"

/* A verification goes on at another node for so long, by the database's clock;
 * going on does not prolong it. */
#define STORE_CALL_GOES_ON_US INT64_C(300000000)

/*
 * A call has come in.  Idempotent by call_id.  When it was known already and
 * comes from where it came from, what it had come to is told: never answers,
 * which are not stored, but whose they proved to be.
 */
struct store_call_open {
	struct store_req req;
	/* in */
	char call_id[STORE_CALL_ID_MAX + 1];
	char dnis[24];                /* the number that was dialled */
	char lang[8];                 /* "ja", "en" */
	int64_t begun_us;             /* when the call reached us */
	uint8_t bind[STORE_MAC_SIZE]; /* MAC of where it comes from */
	/* out */
	int64_t reported_us;   /* of the first record of this call */
	bool again;            /* the call was known already */
	bool goes_on;          /* ... and comes from where it came from */
	char first_lang[8];    /* goes_on: of the first record */
	int64_t holder;        /* goes_on: verified not long ago; 0 = nobody */
	int64_t verified_us;   /* as the rest: only with a holder */
	unsigned int carriers; /* chosen; 0 = not asked */
	bool confirmed;        /* the caller said yes to the hold */
	bool held;             /* this call's hold is stored */
};
void store_call_open(struct store *s, struct store_call_open *r);

/* How far a call has come.  Unknown ids are left alone. */
struct store_call_note {
	struct store_req req;
	/* in */
	char call_id[STORE_CALL_ID_MAX + 1];
	int64_t holder; /* verified */
	int64_t verified_us;
	unsigned int carriers; /* chosen; 0 = not asked yet */
	bool confirmed;
};
void store_call_note(struct store *s, struct store_call_note *r);

/* A call has ended.  Unknown ids are created, so that nothing is lost. */
struct store_call_close {
	struct store_req req;
	/* in */
	char call_id[STORE_CALL_ID_MAX + 1];
	char outcome[24]; /* such as "held", "person", "hung-up" */
	bool over;        /* it does not go on at another node */
	int64_t ended_us;
};
void store_call_close(struct store *s, struct store_call_close *r);

#endif
