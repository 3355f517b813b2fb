/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.h -- telling holders and municipalities.
 *
 * Through a signed webhook, whose owner sends short messages or letters, or
 * as mail.  A holder's contact is opened when a notice is sent and wiped
 * then; what is said is in notice_text.h.  Loop thread only.
 */
#ifndef PUBLISH_NOTICE_H
#define PUBLISH_NOTICE_H

#include "publish/dispatch.h"
#include "publish/webhook.h"
#include "wire/web.h"

struct conf;
struct err;
struct keyring;
struct notice; /* opaque */
struct timers;

struct notice_options {
	struct web *web; /* borrowed, as all of these */
	struct timers *timers;
	const struct keyring *keys;
	const struct conf *conf; /* notice.*, smtp.*, call.lines */
};

/* Reads the files that the settings name.  Owned (notice_free); NULL with
 * *err. */
struct notice *notice_new(
    const struct notice_options *options, struct err *err);

/* What is under way must be over.  NULL is a no-op. */
void notice_free(struct notice *n);

/* The port for dispatch_options, for holders and for municipalities. */
struct dispatch_port notice_port(struct notice *n);

/* What an answer of a webhook, or of a mail server, comes to.  Pure. */
void notice_judge_web(
    const struct web_answer *answer, struct dispatch_result *out);
/* As notice_judge_web(). */
void notice_judge_mail(
    const struct web_answer *answer, struct dispatch_result *out);

#endif
