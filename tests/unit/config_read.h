/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading configurations: right files, bytes without a file, and one pool. Run from the repository's root. */
#ifndef SLUICE_TEST_CONFIG_READ_H
#define SLUICE_TEST_CONFIG_READ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "in/config_file.h"

#define EXAMPLE "examples/sluice.yaml"
#define RIGHT	"tests/unit/config_right"

/* What every configuration needs. */
#define HEAD "interfaces: [{name: eth0}]\nhash_key: \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"\n"

/* A file that is gone when it is closed. */
struct scratch_file {
	int fd;
	char path[64];
};

static inline struct scratch_file scratch_file(const void *bytes, size_t size)
{
	struct scratch_file file = {.fd = memfd_create("sluice-test", MFD_CLOEXEC)};

	assert_true(file.fd >= 0);
	assert_int_equal(write(file.fd, bytes, size), size);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

/* Reads bytes as a configuration. Returns the errors, to be freed, or NULL and *config. */
static inline char *read_bytes(const void *bytes, size_t size, struct config **config)
{
	struct scratch_file file = scratch_file(bytes, size);
	char *errors = NULL;
	int rc = config_file_read(file.path, config, &errors);

	assert_int_equal(rc == 0, errors == NULL);
	assert_int_equal(rc == 0, *config != NULL);
	close(file.fd);
	return errors;
}

/* The configuration of one pool with these keys. */
static inline struct config *read_pool(const char *keys)
{
	struct config *config;
	char text[2048], *errors;

	snprintf(text, sizeof(text), "%spools: {web: {%s}}\n", HEAD, keys);
	errors = read_bytes(text, strlen(text), &config);
	if (errors)
		fail_msg("refused:\n%s", errors);
	return config;
}

static inline struct config *read_right(const char *path)
{
	struct config *config;
	char *errors;

	if (config_file_read(path, &config, &errors))
		fail_msg("%s is refused:\n%s", path, errors);
	assert_null(errors);
	return config;
}

#endif
