/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice_text.h -- what a notice says, in the reader's language.
 *
 * Japanese is the original.  A notice may be read by others than the holder,
 * on a screen that is locked or in a letter box: it names the receipt number
 * and a telephone number to call, and nothing else.  Pure.  Any thread.
 */
#ifndef PUBLISH_NOTICE_TEXT_H
#define PUBLISH_NOTICE_TEXT_H

#include "store/dispatch.h"

#define NOTICE_TEXT_SIZE 1024 /* bytes of a text, with the NUL */

/* One of our languages: `lang` itself, or "ja" when there are no notices in
 * it. */
const char *notice_lang(const char *lang);

/*
 * The text for holders (HOLD, LIFT, REVOKE, PART) or municipalities (CASE).
 * `call` is the number of the hotline; a text for municipalities has none.
 */
void notice_text(char out[NOTICE_TEXT_SIZE], const char *lang,
    enum store_dispatch_what what, const char *receipt, const char *call);

/* A mail's subject; never NULL. */
const char *notice_subject(const char *lang, enum store_dispatch_what what);

#endif
