/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contact.h -- where a holder can be reached, opened for one notice.
 *
 * Sealed in the store (SECRET_USE_CONTACT); the registry's import writes it.
 * Personal data: open it when a notice is sent, and wipe it then.
 */
#ifndef PUBLISH_CONTACT_H
#define PUBLISH_CONTACT_H

#include <stdbool.h>

#include "store/dispatch.h"

#define CONTACT_PHONES_MAX 4

struct err;
struct keyring;

struct contact {
	char name[512]; /* in kana; "" = not known, as all of these */
	char mail[256];
	char address[768];
	char lang[8];
	unsigned int n_phones;
	char phones[CONTACT_PHONES_MAX][16]; /* digits */
};

/* Open a row's.  Returns 0, or -1 with *err: ERR_NOTFOUND, there is none;
 * ERR_REFUSED, the key file does not open it; ERR_PARSE. */
int contact_open(struct contact *out, const struct keyring *keys,
    const struct store_dispatch *row, struct err *err);

/* Forget it. */
void contact_wipe(struct contact *c);

/* The first number that can take a short message (070, 080, 090), borrowed from
 * *c, or NULL. */
const char *contact_mobile(const struct contact *c);

#endif
