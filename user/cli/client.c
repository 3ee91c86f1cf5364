/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/memory.h"

#define MAX_ANSWER (1UL << 28) /* bytes; far more than any agent has to say */

struct answer {
	char *text;
	size_t length;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *argument)
{
	struct answer *answer = argument;
	size_t length = size * count;

	if (answer->length + length > MAX_ANSWER)
		return 0;
	answer->text = memory_resize(answer->text, answer->length + length + 1, 1);
	memcpy(answer->text + answer->length, bytes, length);
	answer->length += length;
	answer->text[answer->length] = '\0';
	return length;
}

/* Why the socket cannot be connected to: 0 (it can) or an errno. Curl does not tell. */
static int connect_error(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	error = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	close(fd);
	return error;
}

static bool is_absence(int error)
{
	return error == ENOENT || error == ECONNREFUSED || error == ENOTDIR;
}

bool client_is_absent(const char *socket)
{
	return is_absence(connect_error(socket));
}

static char *access_refused(const char *path)
{
	const struct group *group;
	struct stat found;

	if (stat(path, &found))
		return memory_format("you may not open %s: use sudo", path);
	group = getgrgid(found.st_gid);
	if (!group || !found.st_gid || !(found.st_mode & S_IWGRP))
		return memory_format("you may not open %s: use sudo", path);
	return memory_format("you may not open %s: join its group '%s' or use sudo", path, group->gr_name);
}

static char *no_agent(const char *path, CURLcode curl_error, long seconds)
{
	int error = connect_error(path);

	if (is_absence(error))
		return memory_format("no agent answers at %s: is sluiced running? (systemctl status sluiced)", path);
	if (error == EACCES)
		return access_refused(path);
	if (error)
		return memory_format("no agent answers at %s: %s", path, strerror(error));
	if (curl_error == CURLE_OPERATION_TIMEDOUT)
		return memory_format("the agent at %s did not answer within %ld s", path, seconds);
	return memory_format("no proper answer from %s (%s): is that sluiced's socket?", path,
			     curl_easy_strerror(curl_error));
}

/* Nothing of the user's environment (proxies, .netrc) takes part: it is a local socket. */
static CURLcode perform(CURL *curl, const char *socket, const char *method, const char *path, long seconds,
			struct answer *answer)
{
	char *url = memory_format("http://sluice%s", path);
	CURLcode error;

	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)QUESTION_SECONDS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, seconds);
	if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	error = curl_easy_perform(curl);
	free(url);
	return error;
}

/* What the agent said, good or bad. */
static enum exit_code judge(const char *path, long status, const struct answer *answer, json_t **reply, char **error)
{
	json_t *json = answer->text ? json_loadb(answer->text, answer->length, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(json, "error"));

	if (status == 200 && json) {
		*reply = json;
		return EXIT_DONE;
	}
	if (text)
		*error = memory_format("%s", text);
	else if (status == 200)
		*error = memory_format("the agent's answer to %s is not JSON", path);
	else
		*error = memory_format("the agent refused %s with HTTP status %ld", path, status);
	json_decref(json);
	return EXIT_FAILED;
}

enum exit_code client_ask(const char *socket, const char *method, const char *path, long seconds, json_t **reply,
			  char **error)
{
	struct answer answer = {0};
	CURL *curl = curl_easy_init();
	enum exit_code code;
	CURLcode curl_error;
	long status = 0;

	if (!curl) {
		*error = memory_format("libcurl cannot be used");
		return EXIT_FAILED;
	}
	curl_error = perform(curl, socket, method, path, seconds, &answer);
	if (curl_error) {
		*error = no_agent(socket, curl_error, seconds);
		code = EXIT_NO_AGENT;
	} else {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		code = judge(path, status, &answer, reply, error);
	}
	curl_easy_cleanup(curl);
	free(answer.text);
	return code;
}

enum exit_code cli_ask(const struct cli *cli, const char *method, const char *path, long seconds, json_t **reply)
{
	char *error = NULL;
	enum exit_code code = client_ask(cli->socket, method, path, seconds, reply, &error);

	if (code == EXIT_FAILED && cli->json) {
		json_t *json = json_pack("{s:s}", "error", error);

		cli_print_json(json);
		json_decref(json);
	} else if (code != EXIT_DONE && strchr(error, '\n')) {
		fputs(error, stderr); /* a list of errors with their lines, as `sluice check` prints it */
		if (error[strlen(error) - 1] != '\n')
			fputc('\n', stderr);
	} else if (code != EXIT_DONE) {
		cli_error("%s", error);
	}
	free(error);
	return code;
}
