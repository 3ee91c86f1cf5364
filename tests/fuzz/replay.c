/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Feeds a fuzzer the files of a folder without libFuzzer, so that tests need no clang runtime. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define LONGEST (1 << 20)

static int feed(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *data;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	data = malloc(LONGEST);
	size = data ? fread(data, 1, LONGEST, file) : 0;
	fclose(file);
	/* of its own size, for whoever runs this under valgrind */
	data = data ? realloc(data, size ? size : 1) : NULL;
	if (!data)
		return 1;
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent *entry;
	unsigned int count = 0;
	DIR *folder;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = opendir(argv[1]);
	if (!folder) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		if (feed(argv[1], entry->d_name))
			return 1;
		count++;
	}
	closedir(folder);
	printf("%s: %u inputs\n", argv[1], count);
	return 0;
}
