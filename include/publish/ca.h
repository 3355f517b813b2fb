/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ca.h -- telling the certification authority, and hearing what it made of it.
 *
 * A change has three steps: ask for the status; if it is another one, tell
 * the new one; ask again.  Only what is read back counts: tools that report
 * success while nothing happened are known.  Asking first makes repeating
 * harmless.  What an authority's interface looks like is a connector's
 * business: pure functions that build requests and read answers.
 * Loop thread only.
 */
#ifndef PUBLISH_CA_H
#define PUBLISH_CA_H

#include <stdbool.h>
#include <stdint.h>

#include "publish/dispatch.h"
#include "publish/webhook.h"
#include "store/store.h"
#include "wire/web.h"

#define CA_URL_MAX 3072 /* base, percent-encoded issuer, serial, reason */
#define CA_DN_MAX 512   /* bytes of an issuer's name, with the NUL */
#define CA_ISSUERS_MAX 64

struct err;

/* The issuers' names, by the hash of their key. */
struct ca_issuers {
	size_t n;
	struct {
		char hash[STORE_ISSUER_HEX + 1];
		char dn[CA_DN_MAX];
	} at[CA_ISSUERS_MAX];
};

/* Read a file of lines "<40 hexadecimal digits> <distinguished name>"; empty
 * lines and # comments aside.  0, or -1 with *err, which names the line. */
int ca_issuers_load(
    const char *path, struct ca_issuers *issuers, struct err *err);

/* What a connector has to know.  Borrowed. */
struct ca_site {
	const char *url; /* without a slash at its end */
	const struct ca_issuers *issuers;
	const struct webhook_secret *secret;
	bool backdate; /* tell the time of the status, too */
};

/* A request, as web_request. */
struct ca_request {
	const char *method;
	char url[CA_URL_MAX];
	char body[WEBHOOK_BODY_MAX];
	size_t body_len; /* 0 = none */
	size_t n_headers;
	char headers[WEBHOOK_HEADERS][WEBHOOK_HEADER_SIZE];
};

/* What an authority says about a certificate. */
enum ca_says {
	CA_SAYS_GOOD,
	CA_SAYS_HELD,
	CA_SAYS_REVOKED, /* for good */
	CA_SAYS_UNKNOWN, /* it knows no such certificate */
	CA_SAYS_REFUSED, /* it takes no such request; see words */
	CA_SAYS_NOTHING, /* no answer that could be used; see words */
	CA_SAYS_COUNT
};

/* "good", "on hold", "revoked", ...; never NULL. */
const char *ca_says_name(enum ca_says says);

struct ca_heard {
	enum ca_says says;
	int64_t retry_after_us;
	char words[STORE_DISPATCH_WORDS]; /* without anything from the body */
};

struct ca_connector {
	const char *name;
	/* The request that asks for a certificate's status, or tells its new
	 * one.  -1 with *err when there can be none. */
	int (*ask)(const struct ca_site *site, const struct store_cert *cert,
	    const char *key, int64_t now_us, struct ca_request *out,
	    struct err *err);
	int (*tell)(const struct ca_site *site, const struct store_cert *cert,
	    const char *key, int64_t now_us, struct ca_request *out,
	    struct err *err);
	/* What the body of the answer to ask() says; NOTHING if that is no
	 * status. */
	enum ca_says (*read)(const char *body, size_t len);
	const char *hint; /* goes on what an operator reads then; may be "" */
};
extern const struct ca_connector ca_ejbca, ca_webhook;

/* Why the change was not taken, by the answer's status: UNKNOWN, REFUSED or
 * NOTHING; else GOOD, "it says that it did it". */
void ca_hear_told(const struct web_answer *answer, struct ca_heard *out);

/* What the answer to ask() says. */
void ca_hear_status(const struct ca_connector *connector,
    const struct web_answer *answer, struct ca_heard *out);

/* Are its words what the store has? */
bool ca_agrees(const struct store_cert *cert, enum ca_says says);

struct ca; /* opaque */

struct ca_options {
	struct web *web;       /* borrowed */
	struct timers *timers; /* borrowed */
	const struct ca_connector *connector;
	struct ca_site site;  /* copied, what it points to is borrowed */
	struct web_peer peer; /* likewise */
};

/* Owned (ca_free); NULL when out of memory. */
struct ca *ca_new(const struct ca_options *options);

/* What is under way must be over.  NULL is a no-op. */
void ca_free(struct ca *c);

/* The port for dispatch_options; its rows have certificates. */
struct dispatch_port ca_port(struct ca *c);

/*
 * Only ask, for the operator.  `heard` is borrowed until the callback returns;
 * it comes exactly once, later.  -1 with *err: there is nothing to ask.
 */
int ca_check(struct ca *c, const struct store_cert *cert,
    void (*done)(void *ctx, const struct ca_heard *heard), void *ctx,
    struct err *err);

#endif
