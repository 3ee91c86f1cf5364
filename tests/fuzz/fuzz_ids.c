/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which index belongs to which name, as an earlier run noted it. What is refused leaves nothing behind. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "in/config_file.h"
#include "model/ids.h"

static const char config_text[] =
	"interfaces: [{name: eth0}]\n"
	"hash_key: \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"\n"
	"pools:\n"
	"  spare: {table_size: 7, backends: [{name: s1, address: 10.0.1.1}]}\n"
	"  web: {table_size: 31, backends: [{name: web1, address: 10.0.0.1}, {name: web2, address: 10.0.0.2}]}\n"
	"services: {www: {address: 192.0.2.1, ports: 80/tcp, pool: web}}\n";

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

/* No two things share an index or a slot, whatever the document said. */
static void check_assigned(const struct ids *ids, const struct config *config)
{
	const struct config_pool *spare = &config->pools[0], *web = &config->pools[1];
	__u16 backends[] = {
		ids_backend(ids, spare->name, &spare->backends[0].address),
		ids_backend(ids, web->name, &web->backends[0].address),
		ids_backend(ids, web->name, &web->backends[1].address),
	};
	__u32 first = ids_pool_first(ids, spare->name), other = ids_pool_first(ids, web->name);

	fuzz_require(backends[0] && backends[1] && backends[2]);
	fuzz_require(backends[0] != backends[1] && backends[1] != backends[2] && backends[0] != backends[2]);
	fuzz_require(first + spare->table_size <= other || other + web->table_size <= first);
	fuzz_require(first + spare->table_size <= ids_slots_used(ids));
	fuzz_require(other + web->table_size <= ids_slots_used(ids));
	ids_service(ids, config->services[0].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config *config = the_config();
	json_t *saved = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL), *kept, *again;
	struct ids *ids = ids_new();

	if (ids_restore(ids, saved) == 0) {
		kept = ids_save(ids);
		fuzz_require(ids_restore(ids, kept) == 0);
		again = ids_save(ids);
		fuzz_require(json_equal(kept, again));
		json_decref(again);
		json_decref(kept);
	}
	if (ids_assign(ids, config) == 0)
		check_assigned(ids, config);
	ids_free(ids);
	json_decref(saved);
	return 0;
}
