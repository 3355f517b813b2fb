/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/secret.h"
#include "wire/redis_place.h"
#include "wire/stream.h"

#define AT(field) offsetof(struct redis_place, field)

/* Every text of a place. */
static const size_t texts[] = { AT(address), AT(master), AT(user),
	AT(password_file), AT(files.ca), AT(files.cert), AT(files.key),
	AT(files.name) };

static const char **
place_text(struct redis_place *place, size_t i)
{
	return (const char **)((char *)place + texts[i]);
}

void
redis_place_from_conf(
    const struct conf *conf, bool reading, struct redis_place *place)
{
	*place = (struct redis_place){ .address = conf->redis_address,
		.sentinels = (const char *const *)conf->redis_sentinels.at,
		.n_sentinels = conf->redis_sentinels.n,
		.master = conf->redis_master,
		.user = conf->redis_user,
		.password_file = conf->redis_password_file,
		.tls = conf->redis_tls,
		.files = { .ca = conf->redis_tls_ca,
		    .cert = conf->redis_tls_cert,
		    .key = conf->redis_tls_key,
		    .name = conf->redis_tls_name } };
	if (reading && conf->redis_read_address[0] != '\0') {
		place->address = conf->redis_read_address;
		place->n_sentinels = 0;
	}
}

unsigned int
redis_timeout_s(const struct conf *conf)
{
	return (unsigned int)((conf->redis_timeout_us + CLOCK_S_US - 1) /
	    CLOCK_S_US);
}

int
redis_mac_load(const struct conf *conf, struct keyring **mac, struct err *err)
{
	*mac = NULL;
	if (conf->redis_mac_key_file[0] == '\0')
		return 0;
	*mac = keyring_load_cache(conf->redis_mac_key_file, err);
	return *mac == NULL ? err_add(err, "redis.mac_key_file") : 0;
}

int
redis_place_copy(struct redis_place *copy, const struct redis_place *place)
{
	char **sentinels = calloc(place->n_sentinels + 1, sizeof(*sentinels));
	bool whole = sentinels != NULL;
	size_t i;

	*copy = *place;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*place_text(copy, i) = strdup(*place_text(copy, i));
		whole = whole && *place_text(copy, i) != NULL;
	}
	copy->sentinels = (const char *const *)sentinels;
	for (i = 0; sentinels != NULL && i < place->n_sentinels; i++) {
		sentinels[i] = strdup(place->sentinels[i]);
		whole = whole && sentinels[i] != NULL;
	}
	if (whole)
		return 0;
	redis_place_drop(copy);
	return -1;
}

void
redis_place_drop(struct redis_place *copy)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free((char *)*place_text(copy, i));
	for (i = 0; copy->sentinels != NULL && i < copy->n_sentinels; i++)
		free((char *)copy->sentinels[i]);
	free((char **)copy->sentinels);
	*copy = (struct redis_place){ .address = NULL };
}

int
redis_place_tls(const struct redis_place *place, const struct stream_addr *addr,
    struct ssl_st **ssl, struct err *err)
{
	char host[128]; /* "127.0.0.1:6379" or "[::1]:6379" */
	size_t begin;

	*ssl = NULL;
	if (!place->tls || addr->sa.ss_family == AF_UNIX)
		return 0;
	stream_addr_format(addr, host);
	*strrchr(host, ':') = '\0';
	begin = host[0] == '[';
	host[strlen(host) - begin] = '\0';
	*ssl = tls_client(&place->files, host + begin, err);
	return *ssl == NULL ? -1 : 0;
}
