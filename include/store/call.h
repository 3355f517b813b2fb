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

/* A call has come in.  Idempotent by call_id. */
struct store_call_open {
	struct store_req req;
	/* in */
	char call_id[STORE_CALL_ID_MAX + 1];
	char dnis[24];    /* the number that was dialled */
	char lang[8];     /* "ja", "en" */
	int64_t begun_us; /* when the call reached us */
	/* out */
	int64_t reported_us; /* of the first record of this call */
	bool again;          /* the call was known already */
};
void store_call_open(struct store *s, struct store_call_open *r);

/* A call has ended.  Unknown ids are created, so that nothing is lost. */
struct store_call_close {
	struct store_req req;
	/* in */
	char call_id[STORE_CALL_ID_MAX + 1];
	char outcome[24]; /* such as "held", "person", "hung-up" */
	int64_t ended_us;
};
void store_call_close(struct store *s, struct store_call_close *r);

#endif
