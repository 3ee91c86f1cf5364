/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What an earlier run noted of backends, read at a start: health and overrides. An input is one file that is taken for
 * both, or two with a line "%%" between them. The first byte says whether the clock is the same.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "in/config_file.h"
#include "model/health.h"
#include "out/snapshot.h"
#include "unit/health_saved.h"

#define NOW 5000000

static const char config_text[] =
	"interfaces: [{name: eth0}]\n"
	"hash_key: \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"\n"
	"defaults: {probe: {type: tcp}, ramp: 10s}\n"
	"pools:\n"
	"  spare: {table_size: 7, probe: {type: none}, backends: [{name: s1, address: 10.0.1.1}]}\n"
	"  web:\n"
	"    table_size: 31\n"
	"    fallback: spare\n"
	"    min_healthy: 1\n"
	"    hold_down: {first: 10s, max: 1m}\n"
	"    backends:\n"
	"      - {name: web1, address: 10.0.0.1}\n"
	"      - {name: web2, address: 10.0.0.2, weight: 300}\n"
	"      - {name: web3, address: \"2001:db8::3\"}\n"
	"services: {www: {address: 192.0.2.1, ports: 80/tcp, pool: web}}\n";

static void ignore_event(void *argument, const struct event_fact *fact)
{
	(void)argument;
	fuzz_require(fact->text[0]);
}

static time_t stopped_clock(time_t *out)
{
	if (out)
		*out = 1700000000;
	return 1700000000;
}

/* Made once: nothing changes it. */
static const struct config *the_config(void)
{
	static struct config *config;
	char *errors = NULL;

	if (!config && config_text_read(config_text, strlen(config_text), "fuzz.yaml", &config, &errors))
		fprintf(stderr, "%s", errors);
	fuzz_require(config);
	return config;
}

/* NULL if it cannot be read; and then why is told. */
static json_t *read_part(struct fuzz_input *input, const char *name)
{
	char file[32], *why;
	size_t length;
	char *part = fuzz_part(input, &length);
	json_t *content;

	snprintf(file, sizeof(file), "%s.json", name);
	content = snapshot_read(fuzz_file(file, part, length), name, &why);
	fuzz_require(content || (why && *why));
	free(why);
	free(part);
	return content;
}

/* A document goes out as it came in: it is on disk already, or is written and read again. */
static void write_again(const char *name, const json_t *content)
{
	const char *folder = fuzz_folder();
	json_t *again;
	char *why;

	fuzz_require(snapshot_write(folder, name, SNAPSHOT_SOON, content) == 0);
	again = snapshot_read(folder, name, &why);
	fuzz_require(again && json_equal(again, content));
	free(why);
	json_decref(again);
}

static void check_weights(struct health *health, const struct config *config)
{
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct health_pool *pool = health_pool(health, i);

		fuzz_require(pool->backend_count == config->pools[i].backend_count);
		for (size_t j = 0; j < pool->backend_count; j++)
			fuzz_require(health_weight(pool->backends[j]) <= CONFIG_MAX_WEIGHT);
	}
}

static void restore_health(const struct config *config, const json_t *health_saved, const json_t *overrides,
			   uint8_t choice)
{
	struct health *health = health_new(ignore_event, NULL, stopped_clock);
	bool same_clock = choice & 1, running = choice & 2;
	json_t *kept, *kept_overrides;
	__u64 now = NOW;

	health_configure(health, config, running, now);
	health_restore_overrides(health, overrides, same_clock, now);
	health_restore(health, health_saved, same_clock, now);
	check_weights(health, config);
	kept = health_save(health, now);
	kept_overrides = health_save_overrides(health, now);
	write_again("health", kept);
	write_again("overrides", kept_overrides);
	for (int i = 0; i < 20 && health_next(health); i++) {
		now = health_next(health) > now ? health_next(health) : now + 1;
		health_tick(health, now);
		check_weights(health, config);
	}
	/* what we save ourselves is all understood */
	health_return(health, config, kept, kept_overrides, now);
	check_weights(health, config);
	health_free(health);

	health = health_new(ignore_event, NULL, stopped_clock);
	health_configure(health, config, running, NOW);
	fuzz_require(health_restore_overrides(health, kept_overrides, true, NOW) == 0);
	fuzz_require(health_restore(health, kept, true, NOW) == 0);
	json_decref(kept);
	json_decref(kept_overrides);
	health_free(health);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	uint8_t choice = fuzz_byte(&input);
	const struct config *config = the_config();
	json_t *health = read_part(&input, "health");
	json_t *overrides = input.size ? read_part(&input, "overrides") : json_incref(health);

	restore_health(config, health, overrides, choice);
	json_decref(health);
	json_decref(overrides);
	return 0;
}
