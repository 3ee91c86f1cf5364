/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who answers the balancer of probe_path_lab.h over TCP; and tests that share one such lab, each with its own path. */
#ifndef SLUICE_TEST_PROBE_PATH_ANSWER_H
#define SLUICE_TEST_PROBE_PATH_ANSWER_H

#include "unit/probe_path_lab.h"

static const int families[] = {AF_INET, AF_INET6};

static inline void send_and_receive(int client, int server)
{
	static char sent[PAYLOAD], received[PAYLOAD];
	size_t length = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7);
	assert_int_equal(send(client, sent, sizeof(sent), 0), sizeof(sent));
	while (length < sizeof(received)) {
		struct pollfd polled = {.fd = server, .events = POLLIN};
		ssize_t got;

		assert_int_equal(poll(&polled, 1, PATIENCE), 1);
		got = read(server, received + length, sizeof(received) - length);
		assert_true(got > 0);
		length += (size_t)got;
	}
	assert_memory_equal(sent, received, sizeof(sent));
	assert_int_equal(write(server, "ok", 2), 2);
	assert_int_equal(recv(client, received, 2, 0), 2);
}

/* Ends a connection; all of it is over when this returns. */
static inline void close_both(int client, int server)
{
	const struct linger wait = {.l_onoff = 1, .l_linger = PATIENCE / 1000};
	char byte;

	close(client);
	assert_int_equal(read(server, &byte, 1), 0);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)), 0);
	close(server);
}

/* Who answers a TCP connection with this mark. */
static inline enum place tcp_answer(const struct lab *lab, __u32 mark, int family)
{
	int client = open_marked(mark, family, SOCK_STREAM, 0), server, err;
	enum place place;

	err = connect_vip(client, family);
	if (err)
		fail_msg("connect with mark %#x in IPv%d: %s", mark, family == AF_INET ? 4 : 6, strerror(-err));
	place = await_server(lab, family, SOCK_STREAM);
	server = accept(lab->tcp[place][family == AF_INET6], NULL, NULL);
	assert_true(server >= 0);
	send_and_receive(client, server);
	close_both(client, server);
	return place;
}

static inline void check_answers(const struct lab *lab)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(tcp_answer(lab, PROBE_MARK | place_index[TWO], families[i]), TWO);
}

static inline int make_lab(void **state)
{
	struct lab *lab;

	if (geteuid()) {
		fprintf(stderr, "skipped: only root may make namespaces and load BPF programs\n");
		exit(0);
	}
	lab = calloc(1, sizeof(*lab));
	lab_make(lab);
	lab->backends = make_backends();
	*state = lab;
	return 0;
}

static inline int free_lab(void **state)
{
	lab_free(*state);
	return 0;
}

static inline int close_path(void **state)
{
	struct lab *lab = *state;

	probe_path_close(lab->path);
	lab->path = NULL;
	return 0;
}

#define PATH_TEST(test) cmocka_unit_test_teardown(test, close_path)

#endif
