/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cases.h -- reading the follow-up cases of the municipalities' counters.
 */
#ifndef STORE_CASES_H
#define STORE_CASES_H

#include "store/store.h"

#define STORE_CASE_PAGE 64

struct store_case {
	int64_t id;
	char receipt[STORE_RECEIPT_DIGITS + 1]; /* 受付番号 */
	char municipality[7];                   /* local government code */
	char status[16];                        /* "open" */
	int64_t created_us;
	int64_t hold_id;
	char call_id[STORE_CALL_ID_MAX + 1];
	char lang[8];
	int64_t reported_us, verified_us, stored_us, visible_us;
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
	uint32_t key_version;                     /* of the sealed contact */
	size_t contact_len;                       /* bytes; 0 = none */
	uint8_t contact[1024]; /* sealed, see secret_open() */
};
void store_case_show(struct store *s, struct store_case_show *r);

#endif
