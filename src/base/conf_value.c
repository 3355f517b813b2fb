/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/conf_value.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

/* Longest first, so that a duration is shown in the largest that fits. */
static const struct conf_unit {
	const char *name;
	int64_t us;
} conf_units[] = { { "h", 3600 * CLOCK_S_US }, { "min", 60 * CLOCK_S_US },
	{ "s", CLOCK_S_US }, { "ms", CLOCK_S_US / 1000 } };

#define CONF_N_UNITS (sizeof(conf_units) / sizeof(conf_units[0]))

static void *
conf_field(struct conf *c, const struct conf_def *d)
{
	return (char *)c + d->offset;
}

/* ---- from text */

static int
conf_set_text(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	char **field = conf_field(c, d), *copy = strdup(value);

	if (copy == NULL)
		return err_set(err, ERR_NOMEM, "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

static int
conf_take_path(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	if (value[0] == '\0')
		return err_set(err, ERR_PARSE, "the path is empty");
	return conf_set_text(c, d, value, err);
}

static int
conf_take_durability(struct conf *c, const struct conf_def *d,
    const char *value, struct err *err)
{
	if (strcmp(value, "auto") != 0 && strcmp(value, "standby") != 0 &&
	    strcmp(value, "local") != 0)
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not one of auto, standby, local", value);
	return conf_set_text(c, d, value, err);
}

/* Nothing, or what a host can be called. */
static int
conf_take_name(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789._-";
	size_t n = strspn(value, letters);

	if (value[n] != '\0' || n > CONF_NAME_MAX)
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not a name: at most %d of a-z A-Z 0-9 . _ -",
		    value, CONF_NAME_MAX);
	return conf_set_text(c, d, value, err);
}

static int
conf_take_level(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	enum log_level level;

	if (log_level_parse(value, &level) == -1)
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not one of debug, info, warn, error", value);
	return conf_set_text(c, d, value, err);
}

static int
conf_take_count(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	unsigned int *field = conf_field(c, d);
	long long n;

	if (!str_is_digits(value, 1, SIZE_MAX))
		return err_set(
		    err, ERR_PARSE, "\"%s\" is not a whole number", value);
	errno = 0;
	n = strtoll(value, NULL, 10);
	if (errno != 0 || n < d->min || n > d->max)
		return err_set(err, ERR_RANGE,
		    "%s is outside %" PRId64 "..%" PRId64, value, d->min,
		    d->max);
	*field = (unsigned int)n;
	return 0;
}

/* "90min"; the largest unit that leaves no rest. */
static void
conf_show_us(int64_t us, char out[32])
{
	const struct conf_unit *u = conf_units;

	while (u < conf_units + CONF_N_UNITS - 1 && us % u->us != 0)
		u++;
	if (us == 0)
		u = conf_units + CONF_N_UNITS - 2; /* 0s, not 0h */
	snprintf(out, 32, "%" PRId64 "%s", us / u->us, u->name);
}

static const struct conf_unit *
conf_unit_find(const char *name)
{
	size_t i;

	for (i = 0; i < CONF_N_UNITS; i++)
		if (strcmp(name, conf_units[i].name) == 0)
			return &conf_units[i];
	return NULL;
}

static int
conf_take_duration(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	size_t digits = strspn(value, "0123456789");
	const struct conf_unit *u = conf_unit_find(value + digits);
	int64_t *field = conf_field(c, d);
	char min[32], max[32];
	long long n;

	if (digits > 0 && value[digits] == '\0')
		return err_set(err, ERR_PARSE,
		    "%s has no unit; write %sms, %ss, %smin or %sh", value,
		    value, value, value, value);
	if (digits == 0 || u == NULL)
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not a duration such as 500ms, 15s, 10min or 24h",
		    value);
	errno = 0;
	n = strtoll(value, NULL, 10);
	if (errno != 0 || n > d->max / u->us || n * u->us < d->min) {
		conf_show_us(d->min, min);
		conf_show_us(d->max, max);
		return err_set(
		    err, ERR_RANGE, "%s is outside %s..%s", value, min, max);
	}
	*field = n * u->us;
	return 0;
}

/* The port after the last colon; its text, or NULL when it is none. */
static const char *
conf_port(const char *value)
{
	const char *colon = strrchr(value, ':');

	if (colon == NULL || !str_is_digits(colon + 1, 1, 5) ||
	    strtol(colon + 1, NULL, 10) > 65535)
		return NULL;
	return colon;
}

/* "127.0.0.1:4573" or "[::1]:4573"?  Numeric: nothing is looked up. */
static bool
conf_is_ip_port(const char *value)
{
	const char *colon = conf_port(value);
	unsigned char ip[sizeof(struct in6_addr)];
	char host[INET6_ADDRSTRLEN + 2];
	size_t n;

	if (colon == NULL || (n = (size_t)(colon - value)) >= sizeof(host))
		return false;
	memcpy(host, value, n);
	host[n] = '\0';
	if (host[0] != '[')
		return inet_pton(AF_INET, host, ip) == 1;
	if (host[n - 1] != ']')
		return false;
	host[n - 1] = '\0';
	return inet_pton(AF_INET6, host + 1, ip) == 1;
}

static int
conf_take_address(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	if (!conf_is_ip_port(value))
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not an address such as 127.0.0.1:4573 or "
		    "[::1]:4573",
		    value);
	return conf_set_text(c, d, value, err);
}

static int
conf_take_socket(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	size_t room = 107; /* sun_path without its NUL */

	if (strncmp(value, "unix:/", 6) == 0) {
		if (strlen(value + 5) > room)
			return err_set(err, ERR_RANGE,
			    "the socket's path is longer than %zu bytes", room);
	} else if (!conf_is_ip_port(value)) {
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not an address such as 127.0.0.1:6379, "
		    "[::1]:6379 or unix:/path",
		    value);
	}
	return conf_set_text(c, d, value, err);
}

static bool
conf_is_lang(const char *value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_-";
	size_t n = strspn(value, letters);

	return value[n] == '\0' && n >= 2 &&
	    n < sizeof(((struct conf_line *)NULL)->lang);
}

static int
conf_take_lang(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	if (!conf_is_lang(value))
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not a language such as ja or en", value);
	return conf_set_text(c, d, value, err);
}

static int
conf_take_switch(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	bool *field = conf_field(c, d);

	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return err_set(
		    err, ERR_PARSE, "\"%s\" is neither on nor off", value);
	*field = strcmp(value, "on") == 0;
	return 0;
}

static int
conf_take_socket_or_none(struct conf *c, const struct conf_def *d,
    const char *value, struct err *err)
{
	return (value[0] == '\0' ? conf_set_text : conf_take_socket)(
	    c, d, value, err);
}

/* One entry of a list, each of which is read by `take`. */
static int
conf_take_entry(struct conf *c, const struct conf_def *d, const char *value,
    int (*take)(struct conf *c, const struct conf_def *d, const char *value,
	struct err *err),
    struct err *err)
{
	struct conf_list *list = conf_field(c, d);
	struct conf_def entry = *d;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strcmp(list->at[i], value) == 0)
			return err_set(err, ERR_CONFLICT,
			    "%s is there twice; leave one", value);
	if (list->n == CONF_LIST_MAX)
		return err_set(err, ERR_RANGE,
		    "more than %d entries; leave some out", CONF_LIST_MAX);
	entry.offset +=
	    offsetof(struct conf_list, at[0]) + list->n * sizeof(list->at[0]);
	if (take(c, &entry, value, err) == -1)
		return -1;
	list->n++;
	return 0;
}

static int
conf_take_sockets(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	return conf_take_entry(c, d, value, conf_take_socket, err);
}

static int
conf_take_paths(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	return conf_take_entry(c, d, value, conf_take_path, err);
}

/* One entry of the list; it is added to those that are there. */
static int
conf_take_line(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	struct conf_line line = { .dnis = "" };
	const char *sep = strchr(value, '=');
	size_t i, n = sep == NULL ? 0 : (size_t)(sep - value);

	if (n == 0 || n >= sizeof(line.dnis) ||
	    strspn(value, "+0123456789*#") != n || !conf_is_lang(sep + 1))
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not a number and a language such as "
		    "\"0120950178=ja\"",
		    value);
	memcpy(line.dnis, value, n);
	str_copy(line.lang, sizeof(line.lang), sep + 1);
	for (i = 0; i < c->n_lines; i++)
		if (strcmp(c->lines[i].dnis, line.dnis) == 0)
			return err_set(err, ERR_CONFLICT,
			    "%s is there twice; leave one", line.dnis);
	if (c->n_lines >= (size_t)d->max)
		return err_set(err, ERR_RANGE,
		    "more than %" PRId64 " lines; name only those whose "
		    "language is not call.lang",
		    d->max);
	c->lines[c->n_lines++] = line;
	return 0;
}

/* The next word of "a, b or c", or NULL; *len is its length. */
static const char *
conf_choice_next(const char *at, size_t *len)
{
	at += strspn(at, ", ");
	if (strncmp(at, "or ", 3) == 0)
		at += 3;
	*len = strcspn(at, ", ");
	return *len == 0 ? NULL : at;
}

static const char *conf_kind_name(const struct conf_def *d);

/* One of the words that its kind is called by. */
static int
conf_take_choice(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	const char *choices = conf_kind_name(d), *at = choices, *word;
	size_t len;

	for (; (word = conf_choice_next(at, &len)) != NULL; at = word + len)
		if (strlen(value) == len && strncmp(value, word, len) == 0)
			return conf_set_text(c, d, value, err);
	return err_set(err, ERR_PARSE, "\"%s\" is not %s", value, choices);
}

/* Something follows the scheme, and no blank or control character does. */
static bool
conf_is_url(const char *value, const char *scheme)
{
	size_t n = strlen(scheme), i;

	if (strncmp(value, scheme, n) != 0 || value[n] == '\0' ||
	    value[n] == '/')
		return false;
	for (i = n; value[i] != '\0'; i++)
		if (value[i] <= ' ' || value[i] > '~' || value[i] == '@')
			return false; /* nor a password */
	return true;
}

/* Personal data and keys cross no network readable. */
static bool
conf_is_web_url(const char *value)
{
	static const char *const local[] = { "http://127.0.0.1", "http://[::1]",
		"http://localhost" };
	size_t i, n;

	if (conf_is_url(value, "https://"))
		return true;
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		n = strlen(local[i]);
		if (strncmp(value, local[i], n) == 0 &&
		    (value[n] == '\0' || value[n] == ':' || value[n] == '/'))
			return conf_is_url(value, "http://");
	}
	return false;
}

static int
conf_take_web_url(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	if (value[0] != '\0' && !conf_is_web_url(value))
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not a URL such as https://host/path (http is "
		    "for this machine alone)",
		    value);
	return conf_set_text(c, d, value, err);
}

static int
conf_take_mail_url(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	if (value[0] != '\0' && !conf_is_url(value, "smtp://") &&
	    !conf_is_url(value, "smtps://"))
		return err_set(err, ERR_PARSE,
		    "\"%s\" is not a mail server such as smtps://host or "
		    "smtp://host:587",
		    value);
	return conf_set_text(c, d, value, err);
}

static int
conf_take_mail(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	if (value[0] != '\0' && !str_is_mail(value))
		return err_set(
		    err, ERR_PARSE, "\"%s\" is not a mail address", value);
	return conf_set_text(c, d, value, err);
}

/* What a type is called, and how it is read. */
static const struct conf_kind {
	const char *name;
	int (*take)(struct conf *c, const struct conf_def *d, const char *value,
	    struct err *err);
} conf_kinds[] = {
	[CONF_DURABILITY] = { "auto, standby or local", conf_take_durability },
	[CONF_NAME] = { "name", conf_take_name },
	[CONF_PATH] = { "path", conf_take_path },
	[CONF_PATH_OR_NONE] = { "path, or \"\" for none", conf_set_text },
	[CONF_LEVEL] = { "debug, info, warn or error", conf_take_level },
	[CONF_COUNT] = { "number", conf_take_count },
	[CONF_DURATION] = { "duration", conf_take_duration },
	[CONF_ADDRESS] = { "IP:PORT", conf_take_address },
	[CONF_SOCKET] = { "IP:PORT or unix:PATH", conf_take_socket },
	[CONF_LANG] = { "language", conf_take_lang },
	[CONF_SWITCH] = { "on or off", conf_take_switch },
	[CONF_TEXT] = { "text", conf_set_text },
	[CONF_WEB_URL] = { "URL, or \"\" for none", conf_take_web_url },
	[CONF_MAIL_URL] = { "smtp or smtps URL, or \"\" for none",
	    conf_take_mail_url },
	[CONF_MAIL] = { "mail address, or \"\" for none", conf_take_mail },
	[CONF_CONNECTOR] = { "off, ejbca or webhook", conf_take_choice },
	[CONF_CHANNEL] = { "off, webhook or smtp", conf_take_choice },
	[CONF_SOCKET_OR_NONE] = { "IP:PORT, unix:PATH, or empty",
	    conf_take_socket_or_none },
	[CONF_LINES] = { "list of NUMBER=LANGUAGE", conf_take_line },
	[CONF_SOCKETS] = { "list of IP:PORT or unix:PATH", conf_take_sockets },
	[CONF_ACT] = { "revoke or lift", conf_take_choice },
	[CONF_HOLD_END] = { "revoke or nothing", conf_take_choice },
	[CONF_REASON] = { "unspecified, keyCompromise, affiliationChanged, "
			  "superseded, cessationOfOperation or "
			  "privilegeWithdrawn",
	    conf_take_choice },
	[CONF_PATHS] = { "list of paths", conf_take_paths },
};
_Static_assert(sizeof(conf_kinds) / sizeof(conf_kinds[0]) == CONF_TYPE_COUNT,
    "every conf_type needs a kind");

static const char *
conf_kind_name(const struct conf_def *d)
{
	return conf_kinds[d->type].name;
}

int
conf_value_take(struct conf *c, const struct conf_def *d, const char *value,
    struct err *err)
{
	return conf_kinds[d->type].take(c, d, value, err);
}

int
conf_value_take_initial(struct conf *c, const struct conf_def *d)
{
	char text[CONF_VALUE_SIZE], *rest = text, *word;
	struct err err = { .code = ERR_NONE };

	if (!conf_value_is_list(d))
		(void)conf_value_take(c, d, d->initial, &err);
	else if (d->initial[0] != '\0' &&
	    str_copy(text, sizeof(text), d->initial) == 0)
		while (
		    err.code == ERR_NONE && (word = strsep(&rest, ",")) != NULL)
			(void)conf_value_take(c, d, word, &err);
	/* The table may not contradict itself. */
	assert(err.code == ERR_NONE || err.code == ERR_NOMEM);
	return err.code == ERR_NONE ? 0 : -1;
}

bool
conf_value_is_list(const struct conf_def *d)
{
	return d->type == CONF_LINES || d->type == CONF_SOCKETS ||
	    d->type == CONF_PATHS;
}

bool
conf_value_is_quoted(const struct conf_def *d)
{
	return d->type != CONF_COUNT && d->type != CONF_SWITCH;
}

size_t
conf_value_count(const struct conf *c, const struct conf_def *d)
{
	const void *field = (const char *)c + d->offset;

	return d->type == CONF_LINES ? c->n_lines
				     : ((const struct conf_list *)field)->n;
}

void
conf_value_drop(struct conf *c, const struct conf_def *d)
{
	struct conf_list *list;

	if (d->type == CONF_LINES)
		c->n_lines = 0;
	else if (conf_value_is_list(d))
		for (list = conf_field(c, d); list->n > 0; list->n--) {
			free(list->at[list->n - 1]);
			list->at[list->n - 1] = NULL;
		}
	else if (d->type != CONF_COUNT && d->type != CONF_DURATION &&
	    d->type != CONF_SWITCH)
		free(*(char **)conf_field(c, d));
}

const char *
conf_value_show(const struct conf *c, const struct conf_def *d, size_t i,
    char buf[CONF_VALUE_SIZE])
{
	const void *field = (const char *)c + d->offset;

	if (d->type == CONF_COUNT)
		snprintf(
		    buf, CONF_VALUE_SIZE, "%u", *(const unsigned int *)field);
	else if (d->type == CONF_DURATION)
		conf_show_us(*(const int64_t *)field, buf);
	else if (d->type == CONF_SWITCH)
		return *(const bool *)field ? "on" : "off";
	else if (d->type == CONF_LINES)
		snprintf(buf, CONF_VALUE_SIZE, "%s=%s", c->lines[i].dnis,
		    c->lines[i].lang);
	else if (conf_value_is_list(d))
		return ((const struct conf_list *)field)->at[i];
	else
		return *(const char *const *)field;
	return buf;
}

const char *
conf_value_kind(const struct conf_def *d, char buf[CONF_VALUE_SIZE])
{
	const char *name = conf_kind_name(d);
	char min[32], max[32];

	if (d->type == CONF_COUNT) {
		snprintf(buf, CONF_VALUE_SIZE, "%s, %" PRId64 " to %" PRId64,
		    name, d->min, d->max);
	} else if (d->type == CONF_DURATION) {
		conf_show_us(d->min, min);
		conf_show_us(d->max, max);
		snprintf(buf, CONF_VALUE_SIZE, "%s, %s to %s", name, min, max);
	} else {
		str_copy(buf, CONF_VALUE_SIZE, name);
	}
	return buf;
}
