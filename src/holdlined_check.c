/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "flow/flow.h"
#include "flow/prompt.h"
#include "holdlined_check.h"
#include "publish/crl.h"
#include "publish/hooks.h"
#include "service.h"
#include "wire/redis_place.h"

static int
check_prompts(const struct conf *conf, struct err *err)
{
	size_t i;

	if (!prompt_lang_known(conf->call_lang))
		return err_set(err, ERR_RANGE,
		    "call.lang: there are no prompts in \"%s\"",
		    conf->call_lang);
	for (i = 0; i < conf->n_lines; i++)
		if (!prompt_lang_known(conf->lines[i].lang))
			return err_set(err, ERR_RANGE,
			    "call.lines: there are no prompts in \"%s\"",
			    conf->lines[i].lang);
	return flow_check(err);
}

int
holdlined_check(const struct conf *conf, struct err *err)
{
	if (check_prompts(conf, err) == -1)
		return -1;
	return service_descriptors("agi.max_calls", conf->agi_max_calls, err);
}

/* Where an SQLite file is, or will be. */
static int
check_folder(const struct conf *conf, struct err *err)
{
	char *store = strdup(conf->store);
	const char *folder = store == NULL ? "." : dirname(store);
	int rc = 0;

	if (strncmp(conf->store, "postgres", 8) != 0 &&
	    access(folder, W_OK | X_OK) == -1)
		rc = err_set(err, ERR_IO,
		    "store: the folder %s: %s; make it, and let this user "
		    "write to it",
		    folder, strerror(errno));
	free(store);
	return rc;
}

int
holdlined_check_files(const struct conf *conf, struct err *err)
{
	struct keyring *keys = NULL, *mac = NULL;
	int rc = -1;

	if (holdlined_check(conf, err) == 0 &&
	    (!crl_wanted(conf) || crl_check(conf, err) == 0) &&
	    (keys = keyring_load(conf->key_file, err)) != NULL &&
	    redis_mac_load(conf, &mac, err) == 0 && hooks_test(conf, err) == 0)
		rc = check_folder(conf, err);
	keyring_free(keys);
	keyring_free(mac);
	return rc;
}

/* FastAGI is plain text: what callers type crosses the network readable. */
void
holdlined_warn(const struct conf *conf)
{
	if (strncmp(conf->agi_listen, "127.", 4) != 0 &&
	    strncmp(conf->agi_listen, "[::1]", 5) != 0)
		log_warn("holdlined", NULL,
		    "event=plain-text listen=%s hint=\"answers of callers "
		    "cross this network unencrypted; listen on loopback behind "
		    "a TLS tunnel\"",
		    conf->agi_listen);
}
