/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/probe_path.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "lib/tc_filter.h"
#include "out/instructions.h"
#include "out/probe_route.h"
#include "probe.skel.h"
#include "probe_abi.h"

static const struct tc_filter filter = {
	.ifindex = PROBE_LOOPBACK,
	.side = BPF_TC_EGRESS,
	.priority = PROBE_TC_PRIORITY,
	.handle = PROBE_TC_HANDLE,
	.program = PROBE_PROGRAM,
};

struct probe_path {
	struct rtnetlink *rtnetlink;
	struct probe_bpf *skeleton;
	__u32 program_id;
	int lock;
	bool owns_qdisc;			  /* to be removed if nobody else uses it */
	int filter_error, ipv4_error, ipv6_error; /* of the last check */
};

/*
 * One process a network namespace: indices in marks mean its backends. Abstract
 * socket names are a namespace's own, and end with the process that bound them.
 */
static int take_lock(void)
{
	static const char name[] = "\0sluice-probe-path";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, name, sizeof(name) - 1);
	if (bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1)) {
		int err = errno == EADDRINUSE ? -EBUSY : -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Loads the program over the map; *id becomes its id. NULL with the reason in the log. */
static struct probe_bpf *load(int backends_fd, __u32 *id, int *err)
{
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);
	struct probe_bpf *skeleton;

	*err = instructions_prepare(NULL);
	skeleton = *err ? NULL : probe_bpf__open();
	if (!*err)
		*err = skeleton ? bpf_map__reuse_fd(skeleton->maps.backends, backends_fd) : -errno;
	if (!*err)
		*err = bpf_program__set_type(skeleton->progs.sluice_probe, BPF_PROG_TYPE_SCHED_CLS);
	if (!*err)
		*err = probe_bpf__load(skeleton);
	if (!*err)
		*err = bpf_obj_get_info_by_fd(bpf_program__fd(skeleton->progs.sluice_probe), &info, &length);
	*id = info.id;
	if (!*err)
		return skeleton;
	log_error("probes to VIPs: loading the TC program: %s", strerror(-*err));
	probe_bpf__destroy(skeleton);
	return NULL;
}

/* Where the filter may go. 0, or a negative errno. */
static int prepare_qdisc(struct probe_path *path)
{
	enum ingress_qdisc qdisc;
	__u32 id;
	int err = tc_filter_query(path->rtnetlink, &filter, &id);

	if (err && err != -ENOENT)
		return err;
	err = tc_ingress_qdisc(path->rtnetlink, PROBE_LOOPBACK, &qdisc);
	if (err || qdisc == INGRESS_QDISC_CLSACT)
		return err;
	if (qdisc == INGRESS_QDISC_INGRESS)
		return -ENOTSUP;
	path->owns_qdisc = true;
	return tc_clsact_add(PROBE_LOOPBACK);
}

static int attach(struct probe_path *path)
{
	int err = prepare_qdisc(path);

	return err ? err : tc_filter_attach(&filter, bpf_program__fd(path->skeleton->progs.sluice_probe));
}

static const char *filter_reason(int err)
{
	switch (err) {
	case -EEXIST:
		return "a filter that is not ours has priority 6080 on lo; see `tc filter show dev lo egress`";
	case -ENOTSUP:
		return "lo has an `ingress` qdisc, which has no egress side; replace it by `clsact`, which takes the "
		       "same filters";
	}
	return strerror(-err);
}

static const char *route_reason(int err)
{
	switch (err) {
	case -ENETDOWN:
		return "lo is down: ip link set lo up";
	case -EEXIST:
		return "another rule or route takes their packets; see `ip rule` and `ip route show table 6080`";
	case -EAFNOSUPPORT:
		return "it is off on this host or on lo";
	}
	return strerror(-err);
}

/* Remembers a check's result, and logs it if it is another than before. */
static void note(int *last, int err, const char *what, const char *reason)
{
	if (err && err != *last)
		log_error("probes to VIPs do not work%s: %s", what, reason);
	else if (!err && *last)
		log_info("probes to VIPs work again%s", what);
	*last = err;
}

static void note_ipv6(struct probe_path *path, int err)
{
	/* a host without IPv6 has no IPv6 VIPs to probe */
	if (err == -EAFNOSUPPORT && !path->ipv6_error)
		log_info("probes to IPv6 VIPs are not possible: IPv6: %s", route_reason(err));
	else if (err != -EAFNOSUPPORT)
		note(&path->ipv6_error, err, " in IPv6", route_reason(err));
	path->ipv6_error = err;
}

static int check_filter(struct probe_path *path, bool *made)
{
	__u32 id;
	int err = tc_filter_find(path->rtnetlink, &filter, &id);

	if (!err && id == path->program_id)
		return 0;
	err = attach(path);
	*made = !err;
	return err;
}

/* Filter, rules and route; `fresh` if it is no news that they are missing. */
static int ensure(struct probe_path *path, bool fresh)
{
	bool had_filter = !path->filter_error, had_ipv4 = !path->ipv4_error, had_ipv6 = !path->ipv6_error;
	struct probe_route_report report;
	bool made = false;
	int err = check_filter(path, &made);

	note(&path->filter_error, err, "", filter_reason(err));
	err = probe_route_ensure(path->rtnetlink, &report);
	if (err)
		report = (struct probe_route_report){.ipv4 = err, .ipv6 = err};
	note(&path->ipv4_error, report.ipv4, " in IPv4", route_reason(report.ipv4));
	note_ipv6(path, report.ipv6);
	if (path->filter_error || path->ipv4_error)
		return path->filter_error ? path->filter_error : path->ipv4_error;
	return !fresh && ((had_filter && made) || (had_ipv4 && report.made_ipv4) || (had_ipv6 && report.made_ipv6));
}

int probe_path_open(struct probe_path **out, int backends_fd)
{
	struct probe_path *path = memory_new(1, sizeof(*path));
	__u32 id;
	int err;

	path->lock = take_lock();
	if (path->lock < 0) {
		err = path->lock;
		if (err != -EBUSY)
			log_error("probes to VIPs: %s", strerror(-err));
		free(path);
		return err;
	}
	err = rtnetlink_open(&path->rtnetlink);
	if (err)
		log_error("probes to VIPs: rtnetlink: %s", strerror(-err));
	else
		path->skeleton = load(backends_fd, &path->program_id, &err);
	if (err) {
		probe_path_close(path);
		return err;
	}
	/* a former run that left its filter perhaps made the qdisc */
	path->owns_qdisc = !tc_filter_query(path->rtnetlink, &filter, &id);
	/* another version may have left others; nothing has the mark now that would need them */
	probe_route_remove(path->rtnetlink);
	ensure(path, true);
	*out = path;
	return 0;
}

int probe_path_update(struct probe_path *path, int backends_fd)
{
	__u32 id;
	int err;
	struct probe_bpf *skeleton = load(backends_fd, &id, &err);

	if (!skeleton)
		return err;
	/* the filter holds the old program until it has the new one */
	probe_bpf__destroy(path->skeleton);
	path->skeleton = skeleton;
	path->program_id = id;
	return ensure(path, true);
}

int probe_path_check(struct probe_path *path)
{
	return ensure(path, false);
}

bool probe_path_carries(const struct probe_path *path, int family)
{
	return !path->filter_error && !(family == AF_INET6 ? path->ipv6_error : path->ipv4_error);
}

int probe_path_takes_reply(struct probe_path *path, const struct address *vip, const struct address *own,
			   unsigned int ifindex)
{
	return probe_route_takes_reply(path->rtnetlink, vip, own, ifindex);
}

/* The rules go first: without the filter, nothing may follow them. */
static int take_down(struct rtnetlink *rtnetlink, bool owns_qdisc)
{
	int result = probe_route_remove(rtnetlink);
	bool removed;
	int err = tc_filter_detach(rtnetlink, &filter, &removed);

	if (result)
		log_error("probes to VIPs: removing rules and routes: %s", strerror(-result));
	if (!err && owns_qdisc) {
		err = tc_clsact_delete_unused(rtnetlink, PROBE_LOOPBACK);
		err = err == -EBUSY || err == -ENOENT ? 0 : err;
	}
	if (err)
		log_error("probes to VIPs: removing the filter from lo: %s", strerror(-err));
	return result ? result : err;
}

void probe_path_close(struct probe_path *path)
{
	if (!path)
		return;
	if (path->rtnetlink)
		take_down(path->rtnetlink, path->owns_qdisc);
	rtnetlink_close(path->rtnetlink);
	probe_bpf__destroy(path->skeleton);
	close(path->lock);
	free(path);
}

int probe_path_remove(void)
{
	struct rtnetlink *rtnetlink;
	int lock = take_lock();
	__u32 id;
	int err;

	if (lock < 0)
		return lock;
	err = rtnetlink_open(&rtnetlink);
	if (err) {
		log_error("probes to VIPs: rtnetlink: %s", strerror(-err));
	} else {
		err = take_down(rtnetlink, !tc_filter_query(rtnetlink, &filter, &id));
		rtnetlink_close(rtnetlink);
	}
	close(lock);
	return err;
}
