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

struct conf;
struct err;

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

/* Room for the longest value that is not a path. */
#define CONF_VALUE_SIZE 128

/* Read one value, or one entry of a list, into its field.  Returns 0, or -1
 * with *err, which does not name the setting; *c is then unchanged. */
int conf_table_take(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err);

/* Set a field to its default.  -1: out of memory. */
int conf_table_take_initial(struct conf *c, const struct conf_def *d);

/* Is it a list? */
bool conf_table_is_list(const struct conf_def *d);

/* How many entries a list has. */
size_t conf_table_count(const struct conf *c, const struct conf_def *d);

/* Does its value stand in quotes? */
bool conf_table_is_quoted(const struct conf_def *d);

/* Free what a field owns; a list is empty then. */
void conf_table_drop(struct conf *c, const struct conf_def *d);

/* A field as text, entry i of a list; borrowed from `c` or written to buf. */
const char *conf_table_show(const struct conf *c, const struct conf_def *d,
    size_t i, char buf[CONF_VALUE_SIZE]);

/* The name inside its section: "listen" of "agi.listen". */
const char *conf_table_leaf(const struct conf_def *d);

/* The length of the section's name; 0 outside any section, and for NULL. */
size_t conf_table_section_len(const struct conf_def *d);

/* Do two rows, or NULL, stand in the same section? */
bool conf_table_same_section(
    const struct conf_def *a, const struct conf_def *b);

/* "duration, 1s to 10min" of a row; returns buf. */
const char *conf_table_kind(
    const struct conf_def *d, char buf[CONF_VALUE_SIZE]);

#endif
