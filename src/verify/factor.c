/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "verify/factor.h"

/* Neither label begins the other and the tag has one size, so no two
 * messages are the same bytes. */
#define LABEL_PHONE "phone4"
#define LABEL_PIN "pin"

/* label | tag | answer */
struct message {
	uint8_t bytes[16 + SECRET_MAC_SIZE + FACTOR_PIN_MAX];
	size_t len;
};

static void
message_add(struct message *m, const void *p, size_t len)
{
	assert(len <= sizeof(m->bytes) - m->len);
	memcpy(m->bytes + m->len, p, len);
	m->len += len;
}

static void
answer_mac(const struct keyring *keys, size_t slot, const char *label,
    const uint8_t tag[SECRET_MAC_SIZE], const char *answer,
    uint8_t mac[SECRET_MAC_SIZE])
{
	struct message m = { .len = 0 };

	message_add(&m, label, strlen(label));
	message_add(&m, tag, SECRET_MAC_SIZE);
	message_add(&m, answer, strlen(answer));
	secret_mac(keys, slot, SECRET_USE_FACTOR, m.bytes, m.len, mac);
	secret_cleanse(&m, sizeof(m));
}

void
factor_tag(const struct keyring *keys, size_t slot, const char *birth,
    const char *postal, uint8_t tag[SECRET_MAC_SIZE])
{
	char text[FACTOR_BIRTH_DIGITS + FACTOR_POSTAL_DIGITS];
	size_t nb = strlen(birth), np = strlen(postal);

	/* Fewer digits make a tag that nobody has; more cannot get here. */
	assert(str_is_digits(birth, 0, FACTOR_BIRTH_DIGITS));
	assert(str_is_digits(postal, 0, FACTOR_POSTAL_DIGITS));
	memcpy(text, birth, nb);
	memcpy(text + nb, postal, np);
	secret_mac(keys, slot, SECRET_USE_LOOKUP, text, nb + np, tag);
	secret_cleanse(text, sizeof(text));
}

void
factor_phone(const struct keyring *keys, size_t slot,
    const uint8_t tag[SECRET_MAC_SIZE], const char *last4,
    uint8_t mac[SECRET_MAC_SIZE])
{
	assert(str_is_digits(last4, 0, FACTOR_PHONE_DIGITS));
	answer_mac(keys, slot, LABEL_PHONE, tag, last4, mac);
}

int
factor_pin(const struct keyring *keys, size_t slot,
    const uint8_t tag[SECRET_MAC_SIZE], const char *pin,
    uint8_t mac[SECRET_MAC_SIZE])
{
	uint8_t quick[SECRET_MAC_SIZE];
	int rc;

	assert(str_is_digits(pin, 0, FACTOR_PIN_MAX));
	answer_mac(keys, slot, LABEL_PIN, tag, pin, quick);
	rc = secret_stretch(quick, tag, mac);
	secret_cleanse(quick, sizeof(quick));
	return rc;
}

#define NUMBER_MAX 32

void
factor_number(const struct keyring *keys, const char *number,
    uint8_t mac[SECRET_MAC_SIZE])
{
	char digits[NUMBER_MAX];
	size_t n = 0;

	for (; *number != '\0' && n < sizeof(digits); number++)
		if (*number >= '0' && *number <= '9')
			digits[n++] = *number;
	secret_mac(
	    keys, keyring_count(keys) - 1, SECRET_USE_NUMBER, digits, n, mac);
	secret_cleanse(digits, sizeof(digits));
}

void
factor_ref(const struct keyring *keys, size_t slot, const char *ref,
    uint8_t mac[SECRET_MAC_SIZE])
{
	secret_mac(keys, slot, SECRET_USE_HOLDER, ref, strlen(ref), mac);
}
