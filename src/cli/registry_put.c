/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include <jansson.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/registry_put.h"
#include "cli/registry_row.h"
#include "store/registry.h"
#include "verify/factor.h"

#define CONTACT_MAX (STORE_CONTACT_MAX - SECRET_SEAL_EXTRA)

static const char *
or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* {"kana":...,"phones":[...],"ref":...}, and "address", "lang", "mail" where
 * there is one. */
static size_t
contact_text(const struct registry_row *row, char text[CONTACT_MAX])
{
	json_t *phones = json_array(), *all;
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < row->n_phones; i++)
		json_array_append_new(phones, json_string(row->phones[i]));
	all = json_pack("{s:s, s:s, s:o, s:s*, s:s*, s:s*}", "ref", row->ref,
	    "kana", row->kana, "phones", phones, "mail", or_null(row->mail),
	    "address", or_null(row->address), "lang", or_null(row->lang));
	if (all != NULL)
		len = json_dumpb(
		    all, text, CONTACT_MAX, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(all);
	return len;
}

static int
put_contact(struct store_put *put, const struct keyring *keys,
    const struct registry_row *row, struct err *err)
{
	char text[CONTACT_MAX];
	size_t len = contact_text(row, text);

	if (len == 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	assert(len <= sizeof(text)); /* the row's limits see to it */
	secret_seal(keys, text, len, put->contact);
	put->contact_len = len + SECRET_SEAL_EXTRA;
	secret_cleanse(text, sizeof(text));
	return 0;
}

/* Two numbers may end alike: one MAC is enough then. */
static void
put_phones(struct store_put *put, const struct keyring *keys,
    const struct registry_row *row)
{
	const char *phone;
	unsigned int i, j;
	uint8_t *mac;

	for (i = 0; i < row->n_phones; i++) {
		phone = row->phones[i];
		phone += strlen(phone) - FACTOR_PHONE_DIGITS;
		mac = put->phones[put->n_phones];
		factor_phone(keys, 0, put->tag, phone, mac);
		for (j = 0; j < put->n_phones; j++)
			if (secret_equal(put->phones[j], mac))
				break;
		put->n_phones += j == put->n_phones;
	}
}

static void
put_cert(struct store_put *put, const struct registry_row *row, int64_t now_us)
{
	put->cert = row->cert;
	if (row->cert.status != STORE_GOOD)
		put->cert.status_us = now_us;
	put->now_us = now_us;
}

void
registry_put_ref(
    struct store_put *put, const struct keyring *keys, const char *ref)
{
	factor_ref(keys, 0, ref, put->ref);
	for (put->n_old = 0; put->n_old + 1 < keyring_count(keys); put->n_old++)
		factor_ref(
		    keys, put->n_old + 1, ref, put->old_refs[put->n_old]);
}

int
registry_put_fill(struct store_put *put, const struct keyring *keys,
    const struct registry_row *row, int64_t now_us, struct err *err)
{
	registry_put_ref(put, keys, row->ref);
	factor_tag(keys, 0, row->birth, row->postal, put->tag);
	put->key_version = keyring_version(keys, 0);
	str_copy(
	    put->municipality, sizeof(put->municipality), row->municipality);
	put_phones(put, keys, row);
	put->has_pin = row->pin[0] != '\0';
	put_cert(put, row, now_us);
	return put_contact(put, keys, row, err);
}

void
registry_put_again(struct store_put *put, const struct store_put *before,
    const struct registry_row *row, int64_t now_us)
{
	memcpy(put->ref, before->ref, STORE_MAC_SIZE);
	put->n_old = before->n_old;
	memcpy(put->old_refs, before->old_refs, sizeof(put->old_refs));
	memcpy(put->tag, before->tag, STORE_MAC_SIZE);
	put->key_version = before->key_version;
	memcpy(
	    put->municipality, before->municipality, sizeof(put->municipality));
	put->n_phones = before->n_phones;
	memcpy(put->phones, before->phones, sizeof(put->phones));
	put->has_pin = before->has_pin;
	put->contact_len = before->contact_len;
	memcpy(put->contact, before->contact, before->contact_len);
	put_cert(put, row, now_us);
}

/* The value of "ref" in the opened text. */
static int
ref_of(char *out, size_t size, const char *text, size_t len)
{
	json_t *all = json_loadb(text, len, 0, NULL);
	const char *ref = json_string_value(json_object_get(all, "ref"));
	int rc = ref != NULL ? str_copy(out, size, ref) : -1;

	json_decref(all);
	return rc;
}

int
registry_contact_ref(char *out, size_t size, const struct keyring *keys,
    uint32_t key_version, const uint8_t *sealed, size_t len, struct err *err)
{
	char text[CONTACT_MAX];
	int rc = 0;

	if (len < SECRET_SEAL_EXTRA || len > STORE_CONTACT_MAX)
		return err_set(err, ERR_PARSE, "there is none");
	if (secret_open(keys, key_version, sealed, len, text) == -1)
		return err_set(err, ERR_REFUSED,
		    "it does not open with version %u of the key file; is this "
		    "the key file it was imported with?",
		    (unsigned int)key_version);
	if (ref_of(out, size, text, len - SECRET_SEAL_EXTRA) == -1)
		rc = err_set(err, ERR_PARSE, "it holds no reference");
	secret_cleanse(text, sizeof(text));
	return rc;
}
