/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "flow/prompt.h"

#define PROMPT_LANGS(...) static const char *const langs[] = { __VA_ARGS__ };
#define PROMPT(...)
#include "generated/prompts.inc"
#undef PROMPT_LANGS
#undef PROMPT

#define LANG_N (sizeof(langs) / sizeof(langs[0]))

static const struct {
	const char *id;
	const char *texts[LANG_N]; /* "" = not translated */
} prompts[] = {
#define PROMPT_LANGS(...)
#define PROMPT(id, ...) { id, { __VA_ARGS__ } },
#include "generated/prompts.inc"
};

#define PROMPT_N (sizeof(prompts) / sizeof(prompts[0]))

size_t
prompt_lang_count(void)
{
	return LANG_N;
}

const char *
prompt_lang(size_t i)
{
	return langs[i];
}

static size_t
lang_index(const char *lang)
{
	size_t i;

	for (i = 0; i < LANG_N; i++)
		if (strcmp(langs[i], lang) == 0)
			break;
	return i;
}

bool
prompt_lang_known(const char *lang)
{
	return lang_index(lang) < LANG_N;
}

size_t
prompt_count(void)
{
	return PROMPT_N;
}

const char *
prompt_id(size_t i)
{
	return prompts[i].id;
}

const char *
prompt_text(const char *lang, const char *id)
{
	size_t l = lang_index(lang), i;

	if (l == LANG_N)
		return NULL;
	for (i = 0; i < PROMPT_N; i++)
		if (strcmp(prompts[i].id, id) == 0)
			return prompts[i].texts[l][0] == '\0'
			    ? NULL
			    : prompts[i].texts[l];
	return NULL;
}

/* Japanese: a character is at most about two mora, 6.5 mora a second;
 * elsewhere 160 words of about six letters a minute. */
unsigned int
prompt_ms(const char *lang, const char *id)
{
	const char *text = prompt_text(lang, id);
	unsigned int chars = 0;

	if (text == NULL)
		return 1000;
	for (; *text != '\0'; text++)
		chars += (*text & 0xc0) != 0x80;
	return 500 + chars * (strcmp(lang, "ja") == 0 ? 300 : 75);
}
