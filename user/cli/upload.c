/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "in/control.h"
#include "lib/memory.h"

#define PIECE (1U << 16)

struct bytes {
	char *data;
	size_t length;
};

/* 0 or a negative errno, -EFBIG for more than the agent takes. Whatever was read is to be freed. */
static int read_all(int fd, struct bytes *bytes)
{
	ssize_t length;

	do {
		bytes->data = memory_resize(bytes->data, bytes->length + PIECE, 1);
		length = read(fd, bytes->data + bytes->length, PIECE);
		if (length < 0 && errno != EINTR)
			return -errno;
		bytes->length += length > 0 ? (size_t)length : 0;
		if (bytes->length > CONTROL_MAX_BODY)
			return -EFBIG;
	} while (length);
	return 0;
}

static int read_file(const char *file, struct bytes *bytes)
{
	int fd = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = read_all(fd, bytes);
	close(fd);
	return err;
}

static enum exit_code refuse(const struct cli *cli, const char *name, int err)
{
	char *error;

	if (err == -EFBIG)
		error = memory_format("%s: larger than the %u MiB that a configuration may have", name,
				      CONTROL_MAX_BODY >> 20);
	else
		error = memory_format("%s: cannot be read: %s", name, strerror(-err));
	cli_print_refusal(cli, EXIT_FAILED, error);
	return EXIT_FAILED;
}

enum exit_code upload(const struct cli *cli, const char *path, const char *file, const char *more, json_t **reply)
{
	struct request request = {.method = "POST", .seconds = WISH_SECONDS, .type = BODY_YAML};
	const char *name = strcmp(file, "-") == 0 ? "<stdin>" : file;
	struct bytes bytes = {0};
	enum exit_code code;
	char *escaped, *whole;
	int err = read_file(file, &bytes);

	if (err) {
		free(bytes.data);
		return refuse(cli, name, err);
	}
	if (!bytes.length)
		bytes.data[bytes.length++] = '\n'; /* an empty file is a wrong one, but no body would be no file */
	escaped = client_escape(name);
	whole = memory_format("%s?name=%s%s", path, escaped, more);
	request.path = whole;
	request.body = bytes.data;
	request.length = bytes.length;
	code = cli_ask(cli, &request, reply);
	free(whole);
	free(escaped);
	free(bytes.data);
	return code;
}
