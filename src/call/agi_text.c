/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "call/agi_text.h"

#define WITHHELD 0x60 /* in callingpres: 35 is withheld, 67 unavailable */

/* The first line of a name counts: a caller's name comes later, is not
 * escaped, and might hold a line that looks like another one. */
void
agi_text_env_add(struct agi_text_env *e, const char *name, const char *value)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} fields[] = {
		{ "agi_uniqueid", e->call_id, sizeof(e->call_id) },
		{ "agi_callerid", e->number, sizeof(e->number) },
		{ "agi_callingpres", e->pres, sizeof(e->pres) },
		{ "agi_dnid", e->dnis, sizeof(e->dnis) },
		{ "agi_extension", e->exten, sizeof(e->exten) },
		{ "agi_language", e->lang, sizeof(e->lang) },
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(name, fields[i].name) != 0 ||
		    fields[i].to[0] != '\0')
			continue;
		if (str_copy(fields[i].to, fields[i].size, value) == -1 &&
		    fields[i].to == e->call_id)
			e->id_cut = true;
	}
}

/* "unknown" and "" are no numbers. */
static bool
has_digit(const char *text)
{
	return strpbrk(text, "0123456789") != NULL;
}

/* A number that is withheld is sent all the same; callingpres tells. */
static bool
number_shown(const struct agi_text_env *e)
{
	if (!has_digit(e->number))
		return false;
	return e->pres[0] == '\0' ||
	    (str_is_digits(e->pres, 1, 5) && (atoi(e->pres) & WITHHELD) == 0);
}

/* It is a key in the store, and stands in logs and listings. */
static bool
is_plain(const char *id)
{
	for (; *id != '\0'; id++)
		if (*id <= ' ' || *id > '~' || *id == '"' || *id == '\\')
			return false;
	return true;
}

const char *
agi_text_env_info(const struct agi_text_env *e, struct leg_info *info)
{
	if (e->call_id[0] == '\0')
		return "the gateway sent no agi_uniqueid; only Asterisk's "
		       "AGI() should connect to agi.listen";
	if (e->id_cut)
		return "the gateway's agi_uniqueid is longer than 63 bytes; "
		       "shorten systemname in its asterisk.conf";
	if (!is_plain(e->call_id))
		return "the gateway's agi_uniqueid is not plain printable "
		       "ASCII without spaces; correct systemname in its "
		       "asterisk.conf";
	info->call_id = e->call_id;
	info->number = number_shown(e) ? e->number : NULL;
	info->dnis = has_digit(e->dnis) ? e->dnis
	    : has_digit(e->exten)       ? e->exten
					: "";
	info->lang = e->lang;
	return NULL;
}

char *
agi_text_list(const struct leg_say *say)
{
	size_t i, len = 0;
	char *list, *at;

	for (i = 0; i < say->n; i++)
		len += sizeof(AGI_TEXT_PREFIX) + strlen(say->files[i]);
	if ((list = at = malloc(len)) == NULL)
		return NULL;
	for (i = 0; i < say->n; i++) {
		assert(say->files[i][0] != '\0');
		assert(strpbrk(say->files[i], "&,\"\\\r\n") == NULL);
		at = stpcpy(at, i == 0 ? AGI_TEXT_PREFIX : "&" AGI_TEXT_PREFIX);
		at = stpcpy(at, say->files[i]);
	}
	assert(at < list + len);
	return list;
}

size_t
agi_text_play_length(const char *list, bool then_read)
{
	size_t len = strlen(list), n = len;

	if (then_read) {
		assert(len > AGI_TEXT_READ_ROOM);
		n = len - AGI_TEXT_READ_ROOM - 1;
		n += strcspn(list + n, "&");
	}
	if (n > AGI_TEXT_PLAY_ROOM)
		for (n = AGI_TEXT_PLAY_ROOM; n > 0 && list[n] != '&'; n--)
			;
	assert(n > 0); /* or one prompt's name takes a kilobyte */
	return n;
}

/* Keys A to D exist too; no entry has them, nor '*', which stands for them. */
static char
key(char c)
{
	return strchr("0123456789", c) != NULL ? c : '*';
}

static enum agi_text_read
read_status(const char *status, size_t len)
{
	if (len == 2 && memcmp(status, "OK", len) == 0)
		return AGI_TEXT_READ_OK;
	if ((len == 7 && memcmp(status, "TIMEOUT", len) == 0) ||
	    (len == 11 && memcmp(status, "INTERRUPTED", len) == 0))
		return AGI_TEXT_READ_TIMEOUT;
	if (len == 6 && memcmp(status, "HANGUP", len) == 0)
		return AGI_TEXT_READ_HANGUP;
	return AGI_TEXT_READ_ERROR;
}

int
agi_text_read(const char *value, unsigned int max, enum agi_text_read *status,
    char *digits)
{
	const char *text = value == NULL ? ":" : value;
	size_t i, len = strcspn(text, ":"), n;

	if (text[len] == '\0')
		return -1;
	*status = read_status(text, len);
	text += len + 1;
	if (*status == AGI_TEXT_READ_ERROR)
		text = ""; /* Read never ran: these are no answer */
	n = strlen(text);
	assert(max <= LEG_DIGITS_MAX);
	if (n > max || strspn(text, "0123456789*ABCDabcd") != n)
		return -1;
	for (i = 0; i < n; i++)
		digits[i] = key(text[i]);
	digits[n] = '\0';
	return 0;
}
