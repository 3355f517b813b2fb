/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_number.h -- the number of a CRL that lies in its folder.
 *
 * Relying parties may have such a list, so the next one's number must be
 * higher.  A number is only believed when the issuer has signed it: whoever can
 * write into the folder could else use all numbers up.
 *
 * Blocks: never on the event loop.  Any one thread.
 */
#ifndef WIRE_CRL_NUMBER_H
#define WIRE_CRL_NUMBER_H

#include <stdint.h>

/* Numbers are below this.  Half of what there is stays free, and one list each
 * microsecond uses a half up in 146,000 years. */
#define CRL_NUMBER_END (INT64_C(1) << 62)

struct crl_signer;
struct err;

/*
 * The CRL number of a file, its signature verified with the signer's key.
 * Entries are read as a stream.  0 = there is no file; -1 with *err:
 *   ERR_REFUSED	no regular file, no CRL, or not signed by this issuer:
 *			it says nothing about what the issuer has published
 *   ERR_RANGE	the issuer did sign it, and no number can follow on its own
 *   ERR_IO		it cannot be read, so nobody knows
 */
int64_t crl_number_read(
    const char *path, const struct crl_signer *signer, struct err *err);

#endif
