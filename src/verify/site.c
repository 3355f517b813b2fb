/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "store/site.h"
#include "verify/site.h"

int
site_check(struct store *store, const struct keyring *keys, bool *empty,
    struct err *err)
{
	static const char what[] = "which key is this?";
	struct store_site r = { .n = (unsigned int)keyring_count(keys) };
	unsigned int i;

	for (i = 0; i < r.n; i++) {
		r.versions[i] = keyring_version(keys, i);
		secret_mac(keys, i, SECRET_USE_HOLDER, what, sizeof(what),
		    r.checks[i]);
	}
	store_site(store, &r);
	if (store_await(store, &r.req, err) == -1)
		return err_add(err, "key_file");
	*empty = r.empty;
	return 0;
}
