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

#include "in/control.h"
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

static void set_body(CURL *curl, const struct request *request, struct curl_slist **headers)
{
	char *type;

	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
	if (!request->body)
		return;
	type = memory_format("Content-Type: %s", request->type);
	*headers = curl_slist_append(NULL, type); /* copied */
	free(type);
	*headers = curl_slist_append(*headers, "Expect:"); /* no round trip before a large body */
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
}

/* Nothing of the user's environment (proxies, .netrc) takes part: it is a local socket. */
static void set_target(CURL *curl, const char *socket, const char *path)
{
	char *url = memory_format("http://sluice%s", path);

	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_URL, url); /* copied */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)QUESTION_SECONDS);
	free(url);
}

static CURLcode perform(CURL *curl, const char *socket, const struct request *request, struct answer *answer)
{
	struct curl_slist *headers = NULL;
	CURLcode error;

	set_target(curl, socket, request->path);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, request->seconds);
	if (strcmp(request->method, "POST") == 0)
		set_body(curl, request, &headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	error = curl_easy_perform(curl);
	curl_slist_free_all(headers);
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
	else if (status == 413)
		*error = memory_format("larger than the %u MiB that the agent takes", CONTROL_MAX_BODY >> 20);
	else if (status == 200)
		*error = memory_format("the agent's answer to %s is not JSON", path);
	else
		*error = memory_format("the agent refused %s with HTTP status %ld", path, status);
	json_decref(json);
	return EXIT_FAILED;
}

enum exit_code client_ask(const char *socket, const struct request *request, json_t **reply, char **error)
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
	curl_error = perform(curl, socket, request, &answer);
	if (curl_error) {
		*error = no_agent(socket, curl_error, request->seconds);
		code = EXIT_NO_AGENT;
	} else {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		code = judge(request->path, status, &answer, reply, error);
	}
	curl_easy_cleanup(curl);
	free(answer.text);
	return code;
}

/* What a stream's callbacks share. */
struct stream {
	CURL *curl;
	struct answer rest; /* the line that is not complete yet, or what an agent that refuses says */
	stream_object_fn take;
	void *argument;
	bool enough;
};

/* Hands the complete lines over; what is no JSON object is passed over. */
static void take_lines(struct stream *stream)
{
	char *line = stream->rest.text, *end;

	for (; !stream->enough && (end = memchr(line, '\n', stream->rest.length - (size_t)(line - stream->rest.text)));
	     line = end + 1) {
		json_t *object = json_loadb(line, (size_t)(end - line), 0, NULL);

		if (json_is_object(object))
			stream->enough = !stream->take(stream->argument, object);
		json_decref(object);
	}
	stream->rest.length -= (size_t)(line - stream->rest.text);
	memmove(stream->rest.text, line, stream->rest.length + 1);
}

static size_t take_stream(char *bytes, size_t size, size_t count, void *argument)
{
	struct stream *stream = argument;
	long status = 0;

	if (take_bytes(bytes, size, count, &stream->rest) != size * count)
		return 0;
	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		take_lines(stream);
	return stream->enough ? 0 : size * count;
}

/* Called by curl about once a second: a reader that has gone is noticed before there is something to write. */
static int look_at_reader(void *argument, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct stream *stream = argument;

	(void)total, (void)now, (void)up_total, (void)up_now;
	stream->enough |= cli_reader_is_gone();
	return stream->enough;
}

static enum exit_code judge_stream(const struct stream *stream, const char *socket, const char *path, CURLcode ended,
				   char **error)
{
	json_t *reply = NULL;
	long status = 0;

	if (stream->enough)
		return EXIT_DONE;
	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status && status != 200)
		return judge(path, status, &stream->rest, &reply, error);
	if (ended && !status)
		*error = no_agent(socket, ended, QUESTION_SECONDS);
	else
		*error = memory_format("the agent at %s has ended the connection", socket);
	return EXIT_NO_AGENT;
}

enum exit_code client_stream(const char *socket, const char *path, stream_object_fn take, void *argument, char **error)
{
	struct stream stream = {.curl = curl_easy_init(), .take = take, .argument = argument};
	enum exit_code code;
	CURLcode ended;

	if (!stream.curl) {
		*error = memory_format("libcurl cannot be used");
		return EXIT_FAILED;
	}
	set_target(stream.curl, socket, path);
	curl_easy_setopt(stream.curl, CURLOPT_WRITEFUNCTION, take_stream);
	curl_easy_setopt(stream.curl, CURLOPT_WRITEDATA, &stream);
	curl_easy_setopt(stream.curl, CURLOPT_XFERINFOFUNCTION, look_at_reader);
	curl_easy_setopt(stream.curl, CURLOPT_XFERINFODATA, &stream);
	curl_easy_setopt(stream.curl, CURLOPT_NOPROGRESS, 0L);
	ended = curl_easy_perform(stream.curl);
	code = judge_stream(&stream, socket, path, ended, error);
	curl_easy_cleanup(stream.curl);
	free(stream.rest.text);
	return code;
}

void cli_print_refusal(const struct cli *cli, enum exit_code code, char *error)
{
	if (code == EXIT_FAILED && cli->json) {
		json_t *json = json_pack("{s:s}", "error", error);

		cli_print_json(json);
		json_decref(json);
	} else if (strchr(error, '\n')) {
		fflush(stdout);
		fputs(error, stderr); /* a list of errors with their lines, as `sluice check` prints it */
		if (error[strlen(error) - 1] != '\n')
			fputc('\n', stderr);
	} else {
		cli_error("%s", error);
	}
	free(error);
}

enum exit_code cli_ask(const struct cli *cli, const struct request *request, json_t **reply)
{
	char *error = NULL;
	enum exit_code code = client_ask(cli->socket, request, reply, &error);

	if (code != EXIT_DONE)
		cli_print_refusal(cli, code, error);
	return code;
}

enum exit_code cli_get(const struct cli *cli, const char *path, json_t **reply)
{
	return cli_ask(cli, &(struct request){"GET", path, QUESTION_SECONDS, NULL, NULL, 0}, reply);
}

char *client_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0), *copy;

	if (!escaped)
		memory_exhausted();
	copy = memory_format("%s", escaped);
	curl_free(escaped);
	return copy;
}
