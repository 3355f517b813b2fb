/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "publish/notice_text.h"

/* {receipt} and {call} are the two numbers that may stand in a text. */
struct words {
	const char *subject, *text;
};

static const struct {
	const char *lang;
	struct words words[STORE_NEWS_COUNT];
} languages[] = {
	{ "ja",
	    { [STORE_NEWS_HOLD] = { "電子証明書の一時保留のお知らせ",
		  "マイナンバーカードの紛失のお届けを受け付け、電子証明書を"
		  "一時保留にしました。受付番号は{receipt}です。"
		  "お住まいの市区町村の窓口でお手続きください。"
		  "お心当たりのない場合は、{call}へお電話ください。" },
		[STORE_NEWS_LIFT] = { "電子証明書の一時保留解除のお知らせ",
		    "受付番号{receipt}の電子証明書の一時保留を解除しました。"
		    "お心当たりのない場合は、すぐに{call}へお電話ください。" },
		[STORE_NEWS_REVOKE] = { "電子証明書の失効のお知らせ",
		    "受付番号{receipt}の電子証明書を失効しました。"
		    "再びご利用になるには、市区町村の窓口で発行をお申し込み"
		    "ください。お心当たりのない場合は、{call}へお電話ください。" },
		[STORE_NEWS_PART] = { "電子証明書についてのお知らせ",
		    "受付番号{receipt}の電子証明書のうち、一部の一時保留を"
		    "解除し、残りを失効しました。"
		    "お心当たりのない場合は、すぐに{call}へお電話ください。" },
		[STORE_NEWS_CASE] = { "紛失のお届けの受付",
		    "電子証明書の一時保留を受け付けました。受付番号は{receipt}"
		    "です。窓口での手続きをご準備ください。" } } },
	{ "en",
	    { [STORE_NEWS_HOLD] = { "Your certificates were put on hold",
		  "A loss was reported and your electronic certificates were "
		  "put on hold. Receipt number: {receipt}. Please go to the "
		  "counter of your municipality. If it was not you who "
		  "reported it, call {call}." },
		[STORE_NEWS_LIFT] = { "The hold on your certificates was lifted",
		    "The hold on your electronic certificates, receipt number "
		    "{receipt}, was lifted. If it was not you who asked for "
		    "it, call {call} at once." },
		[STORE_NEWS_REVOKE] = { "Your certificates were revoked",
		    "Your electronic certificates, receipt number {receipt}, "
		    "were revoked. For new ones go to the counter of your "
		    "municipality. If it was not you who asked for it, call "
		    "{call}." },
		[STORE_NEWS_PART] = { "About your certificates",
		    "Of your electronic certificates, receipt number "
		    "{receipt}, some can be used again and the others were "
		    "revoked. If it was not you who asked for it, call {call} "
		    "at once." },
		[STORE_NEWS_CASE] = { "A loss was reported",
		    "Electronic certificates were put on hold. Receipt "
		    "number: {receipt}. Please prepare for the holder at the "
		    "counter." } } },
};
#define LANG_N (sizeof(languages) / sizeof(languages[0]))

static size_t
lang_index(const char *lang)
{
	size_t i;

	for (i = 0; i < LANG_N; i++)
		if (strcmp(languages[i].lang, lang) == 0)
			return i;
	return 0;
}

const char *
notice_lang(const char *lang)
{
	return languages[lang_index(lang)].lang;
}

/* Longest texts, receipts and numbers together stay far below the room. */
static size_t
append(char *out, size_t at, const char *text, size_t len)
{
	if (len > NOTICE_TEXT_SIZE - 1 - at)
		len = NOTICE_TEXT_SIZE - 1 - at;
	memcpy(out + at, text, len);
	out[at + len] = '\0';
	return at + len;
}

void
notice_text(char out[NOTICE_TEXT_SIZE], const char *lang,
    enum store_dispatch_what what, const char *receipt, const char *call)
{
	const char *from = languages[lang_index(lang)].words[what].text;
	const char *value;
	size_t at = 0, len;

	for (;;) {
		len = strcspn(from, "{");
		at = append(out, at, from, len);
		from += len;
		if (*from == '\0')
			return;
		value = from[1] == 'r' ? receipt : call;
		at = append(out, at, value, strlen(value));
		from += strcspn(from, "}") + 1;
	}
}

const char *
notice_subject(const char *lang, enum store_dispatch_what what)
{
	return languages[lang_index(lang)].words[what].subject;
}
