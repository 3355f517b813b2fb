/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_file.h -- a CRL as it lies in its folder, inside ocsp/.
 *
 * Whoever writes CRLs should rename a finished file into place, so that one that
 * is open is whole and stays so; `cp` does not, and a file that shrinks at any
 * moment must do no harm.  Any thread; reads the file's first 8 KiB.
 */
#ifndef OCSP_CRL_FILE_H
#define OCSP_CRL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crl_file {
	int fd; /* the caller's to close */
	size_t size;
	int64_t modified_s;
	int64_t
	    next_s;   /* nextUpdate; 0 = none that makes sense, or cut short */
	char tag[64]; /* an ETag, with its quotes */
};

/*
 * Open "<40 hexadecimal digits>.crl" or "...-delta.crl" in a folder.  -1: there
 * is none, or it is no such name; dir "" has none.
 */
int crl_file_open(
    struct crl_file *crl, const char *dir, const char *name, size_t len);

/*
 * ETag, Last-Modified, Expires, and Cache-Control until nextUpdate; each ends
 * with CR LF.  A file so young that another may bear the same second has no
 * Last-Modified: who asks by it later must not be told that nothing changed.
 */
void crl_file_headers(
    const struct crl_file *crl, int64_t now_s, char *out, size_t size);

/* Does If-None-Match name this file? */
bool crl_file_is(const struct crl_file *crl, const char *tags, size_t len);

/* Is If-Modified-Since the very Last-Modified of this file?  A date between
 * two files would be a guess of the client's. */
bool crl_file_since(const struct crl_file *crl, const char *date, size_t len);

#endif
