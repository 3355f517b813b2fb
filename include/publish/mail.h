/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mail.h -- a plain text as a mail message (RFC 5322, MIME).
 *
 * UTF-8, its body and subject in base64, so that no server has to know more
 * than ASCII.  Nothing that is put in can become a header.  Pure.
 */
#ifndef PUBLISH_MAIL_H
#define PUBLISH_MAIL_H

#include <stddef.h>
#include <stdint.h>

#define MAIL_SIZE 8192 /* room for any message that we make */

struct mail {
	const char *from, *to; /* addresses as str_is_mail() takes them */
	const char *subject;   /* UTF-8 */
	const char *text;      /* UTF-8, at most 2,000 bytes */
	const char *id;        /* letters, digits and hyphens: the same in every
			   attempt, so that a mailbox can tell repeats */
	int64_t now_us;
};

/* Write the message, lines end in CR LF; returns its length. */
size_t mail_format(char out[MAIL_SIZE], const struct mail *mail);

#endif
