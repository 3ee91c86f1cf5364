/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "unit/temp_folder.h"

#define SEPARATOR "\n%%\n"

char *fuzz_part(struct fuzz_input *input, size_t *length)
{
	const uint8_t *end = input->size ? memmem(input->data, input->size, SEPARATOR, strlen(SEPARATOR)) : NULL;
	size_t taken;
	char *part;

	*length = end ? (size_t)(end - input->data) + 1 : input->size;
	part = memory_new(*length + 1, 1);
	if (*length)
		memcpy(part, input->data, *length);
	taken = end ? *length + strlen(SEPARATOR) - 1 : *length;
	input->data += taken;
	input->size -= taken;
	return part;
}

static char folder[TEMP_FOLDER_SIZE];

static void remove_folder(void)
{
	temp_folder_remove(folder);
}

const char *fuzz_folder(void)
{
	if (!*folder) {
		fuzz_require(temp_folder_make(folder, 0700) == 0);
		atexit(remove_folder);
	}
	return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t size)
{
	char *path = memory_format("%s/%s", fuzz_folder(), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	fuzz_require(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
	free(path);
	return folder;
}

/* In place of lib/log.c: lines are made, so that what they are made from is looked at, but not written. */
void log_set_level(enum log_level level)
{
	(void)level;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[4096];
	va_list arguments;

	(void)level;
	va_start(arguments, format);
	fuzz_require(vsnprintf(line, sizeof(line), format, arguments) >= 0);
	va_end(arguments);
}
