/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_table.h -- the table of settings, inside base/ only.
 *
 * One row a setting; conf.c makes the parser, the printed file and the
 * manual's reference from the rows.  Any thread: nothing here changes.
 */
#ifndef BASE_CONF_TABLE_H
#define BASE_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_PATH,
	CONF_PATH_OR_NONE, /* "" = none */
	CONF_LEVEL,
	CONF_COUNT,
	CONF_DURATION,
	CONF_ADDRESS, /* IP:PORT */
	CONF_SOCKET,  /* IP:PORT or unix:PATH */
	CONF_SOCKET_OR_NONE,
	CONF_LANG,
	CONF_SWITCH,    /* on or off */
	CONF_TEXT,      /* may be empty */
	CONF_WEB_URL,   /* https, or http on this machine; "" = none */
	CONF_MAIL_URL,  /* smtp or smtps; "" = none */
	CONF_MAIL,      /* a mail address; "" = none */
	CONF_CONNECTOR, /* to a certification authority */
	CONF_CHANNEL,   /* for notices */
	CONF_DURABILITY,
	CONF_NAME,  /* a host's, or empty */
	CONF_LINES, /* lists; all others are one value */
	CONF_SOCKETS,
	CONF_ACT,      /* "revoke" or "lift" */
	CONF_HOLD_END, /* "revoke" or "nothing" */
	CONF_REASON,   /* a reason to revoke, RFC 5280, 5.3.1 */
	CONF_PATHS,
	CONF_TYPE_COUNT
};

struct conf_def {
	const char *name; /* "agi.listen", or "store" outside any section */
	enum conf_type type;
	size_t offset;       /* of the field in struct conf */
	int64_t min, max;    /* of a count; of a duration in microseconds */
	const char *initial; /* entries of a list are split at commas */
	const char *help;    /* whole sentences; go into the manual */
};

/* All settings; those of one section stand together. */
extern const struct conf_def conf_table[];
extern const size_t conf_table_n;

/* The name inside its section: "listen" of "agi.listen". */
const char *conf_table_leaf(const struct conf_def *d);

/* The length of the section's name; 0 outside any section, and for NULL. */
size_t conf_table_section_len(const struct conf_def *d);

/* Do two rows, or NULL, stand in the same section? */
bool conf_table_same_section(
    const struct conf_def *a, const struct conf_def *b);

#endif
