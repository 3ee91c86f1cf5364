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

static char *unreadable(const char *name, int err)
{
	if (err == -EFBIG)
		return memory_format("%s: larger than the %u MiB that a configuration may have", name,
				     CONTROL_MAX_BODY >> 20);
	return memory_format("%s: cannot be read: %s", name, strerror(-err));
}

static enum exit_code send_bytes(const struct cli *cli, const char *path, struct bytes *bytes, const char *name,
				 const char *more, long seconds, json_t **reply, char **error)
{
	char *escaped = client_escape(name), *whole = memory_format("%s?name=%s%s", path, escaped, more);
	struct request request = {.method = "POST", .path = whole, .seconds = seconds, .type = BODY_YAML};
	enum exit_code code;

	if (!bytes->length)
		bytes->data[bytes->length++] = '\n'; /* an empty file is a wrong one, but no body would be no file */
	request.body = bytes->data;
	request.length = bytes->length;
	code = client_ask(cli->socket, &request, reply, error);
	free(whole);
	free(escaped);
	return code;
}

enum exit_code upload_fd(const struct cli *cli, const char *path, int fd, const char *name, const char *more,
			 long seconds, json_t **reply, char **error)
{
	struct bytes bytes = {0};
	enum exit_code code = EXIT_FAILED;
	int err = read_all(fd, &bytes);

	if (err)
		*error = unreadable(name, err);
	else
		code = send_bytes(cli, path, &bytes, name, more, seconds, reply, error);
	free(bytes.data);
	return code;
}

enum exit_code upload(const struct cli *cli, const char *path, const char *file, const char *more, json_t **reply)
{
	const bool standard = strcmp(file, "-") == 0;
	const char *name = standard ? "<stdin>" : file;
	int fd = standard ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
	enum exit_code code = EXIT_FAILED;
	char *error = NULL;

	if (fd < 0) {
		error = unreadable(name, -errno);
	} else {
		code = upload_fd(cli, path, fd, name, more, WISH_SECONDS, reply, &error);
		close(fd);
	}
	if (code != EXIT_DONE)
		cli_print_refusal(cli, code, error);
	return code;
}
