/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt.h -- what is said, in every language.
 *
 * The texts live in ivr-prompts/<lang>.po (msgctxt = prompt id, msgid =
 * Japanese) and are compiled in by the build.  A prompt's id is also its
 * sound file: sounds/<lang>/holdline/<id>.  Any thread.
 */
#ifndef FLOW_PROMPT_H
#define FLOW_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

/* How many languages there are; index 0 is Japanese. */
size_t prompt_lang_count(void);

/* "ja", "en", ...; i < prompt_lang_count(). */
const char *prompt_lang(size_t i);

/* Is there such a language? */
bool prompt_lang_known(const char *lang);

/* How many prompts there are. */
size_t prompt_count(void);

/* The id of prompt i < prompt_count(). */
const char *prompt_id(size_t i);

/* What the prompt says, UTF-8; NULL when there is no such id or language. */
const char *prompt_text(const char *lang, const char *id);

/*
 * About how long the prompt takes to speak, in milliseconds, generously:
 * 6.5 mora a second in Japanese, 160 words a minute elsewhere.  1,000 for an
 * unknown prompt.
 */
unsigned int prompt_ms(const char *lang, const char *id);

#endif
