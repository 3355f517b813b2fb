/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agi_text.h -- what agi_leg says to Asterisk and hears from it, as text.
 *
 * Private to agi_leg.  No state, no I/O.  Any thread.
 */
#ifndef CALL_AGI_TEXT_H
#define CALL_AGI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "call/leg.h"
#include "wire/agi.h"

#define AGI_TEXT_PREFIX "holdline/" /* folder of the prompts */
#define AGI_TEXT_DIGITS "HOLDLINE_D"
/* Always the last file of a Read: a missing last file would mean that nothing
 * is collected at all. */
#define AGI_TEXT_LAST "&" AGI_TEXT_PREFIX "silence"

/* What is left for prompts when the rest of the command is there. */
#define AGI_TEXT_PLAY_ROOM \
	(AGI_COMMAND_MAX + 1 - sizeof("EXEC Playback \"\"\n"))
#define AGI_TEXT_READ_ROOM \
	(AGI_COMMAND_MAX + 1 - \
	    sizeof("EXEC Read \"" AGI_TEXT_DIGITS "," AGI_TEXT_LAST \
		   ",32,,1\"\n"))
_Static_assert(LEG_DIGITS_MAX < 100, "AGI_TEXT_READ_ROOM counts two digits");

/* What is kept of the environment.  Zero-initialise it. */
struct agi_text_env {
	char call_id[64], number[64], pres[8], dnis[64], exten[64], lang[16];
	bool id_cut; /* agi_uniqueid did not fit */
};

/* How Read ended, by its READSTATUS. */
enum agi_text_read {
	AGI_TEXT_READ_OK,
	AGI_TEXT_READ_TIMEOUT,
	AGI_TEXT_READ_HANGUP,
	AGI_TEXT_READ_ERROR /* nothing was collected */
};

/* Take one line of the environment. */
void agi_text_env_add(
    struct agi_text_env *e, const char *name, const char *value);

/* The environment has ended.  Fills *info, which borrows from *e; returns
 * NULL, or a sentence (static) when this is no call that we can take. */
const char *agi_text_env_info(
    const struct agi_text_env *e, struct leg_info *info);

/* "holdline/a&holdline/b".  Owned (free); NULL when out of memory. */
char *agi_text_list(const struct leg_say *say);

/*
 * How many bytes of a list go into one Playback: as much as fits, or, when
 * the list ends in a Read into which not all of it fits, as little as makes
 * the rest fit there, for the sake of barge-in.  The list goes on behind the
 * '&' that stands there.
 */
size_t agi_text_play_length(const char *list, bool then_read);

/*
 * "OK:123", "TIMEOUT:12", "HANGUP:12", "ERROR:" or NULL -> how it ended, and
 * the digits; digits[] takes LEG_DIGITS_MAX + 1 bytes.  Returns 0, or -1 when
 * it holds what a telephone cannot type or more than `max` digits.
 */
int agi_text_read(const char *value, unsigned int max,
    enum agi_text_read *status, char *digits);

#endif
