/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * attach: shared. libxdp's dispatcher runs several XDP programs on an interface,
 * each loaded as an extension of it, so every interface has an instance of the
 * program of its own, over the same maps. A newer instance is added before the
 * older one is taken out: whichever a packet meets forwards it.
 */
#include "out/attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "out/pins.h"

static int shared_pin(char path[PIN_PATH_MAX], const char *folder, const char *interface)
{
	char name[IFNAMSIZ];

	pins_from_interface(name, interface);
	return pins_path(path, folder, PINS_SHARED, name);
}

static int refuse(struct attachment *attachment, int err, const char *what)
{
	char reason[80];

	libxdp_strerror(err, reason, sizeof(reason));
	snprintf(attachment->why, sizeof(attachment->why), "attach: shared: %s: %s", what, reason);
	return err;
}

/* libxdp reports success where it fell back to a single program, which is not what was asked for. */
static int check_dispatcher(struct attachment *attachment, struct xdp_program *program, enum xdp_attach_mode mode)
{
	struct xdp_multiprog *dispatcher = xdp_multiprog__get_from_ifindex((int)attachment->ifindex);
	bool legacy = libxdp_get_error(dispatcher) || xdp_multiprog__is_legacy(dispatcher);

	if (!libxdp_get_error(dispatcher))
		xdp_multiprog__close(dispatcher);
	if (!legacy)
		return 0;
	xdp_program__detach(program, (int)attachment->ifindex, mode, 0);
	attachment->refused = true;
	attachment->refused_kind = ATTACH_SHARED;
	attachment->refused_mode = attachment->asked;
	return refuse(attachment, -EOPNOTSUPP, "no dispatcher: it needs /sys/fs/bpf and BPF_PROG_TYPE_EXT");
}

static int attach_mode(struct attachment *attachment, struct xdp_program *program, enum xdp_mode mode)
{
	enum xdp_attach_mode used = mode == MODE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	int err = xdp_program__attach(program, (int)attachment->ifindex, used, 0);

	if (err && mode == MODE_AUTO) {
		used = XDP_MODE_SKB;
		log_warning("%s: native XDP in the dispatcher failed: trying generic mode, which is slower",
			    attachment->interface);
		err = xdp_program__attach(program, (int)attachment->ifindex, used, 0);
	}
	if (err)
		return refuse(attachment, err, "attaching");
	return check_dispatcher(attachment, program, used);
}

static int detach_instance(struct xdp_program *program, __u32 ifindex)
{
	enum xdp_attach_mode mode = xdp_program__is_attached(program, (int)ifindex);

	return mode == XDP_MODE_UNSPEC ? 0 : xdp_program__detach(program, (int)ifindex, mode, 0);
}

int shared_attach(struct attachment *attachment, const char *folder, const struct attach_source *source,
		  enum xdp_mode mode)
{
	struct sluice_bpf *skeleton = program_prepare(source->maps, &source->program->settings);
	struct xdp_program *program, *former = attachment->shared;
	char path[PIN_PATH_MAX];
	int err;

	if (!skeleton)
		return refuse(attachment, -EINVAL, "preparing the program (see the log)");
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = skeleton->obj, .prog_name = "sluice");
	program = xdp_program__create(&options);
	err = (int)libxdp_get_error(program);
	if (err) {
		sluice_bpf__destroy(skeleton);
		return refuse(attachment, err, "opening the program");
	}
	err = attach_mode(attachment, program, mode);
	if (!err)
		err = shared_pin(path, folder, attachment->interface) ?: pins_replace(xdp_program__fd(program), path);
	if (!err) {
		attachment->shared = xdp_program__from_pin(path);
		attachment->program_id = source->program->id;
		if (former) {
			detach_instance(former, attachment->ifindex);
			xdp_program__close(former);
		}
	}
	xdp_program__close(program);
	sluice_bpf__destroy(skeleton);
	return err;
}

int shared_detach(struct attachment *attachment, const char *folder)
{
	char path[PIN_PATH_MAX];
	int err = attachment->shared ? detach_instance(attachment->shared, attachment->ifindex) : 0;

	xdp_program__close(attachment->shared);
	attachment->shared = NULL;
	if (!shared_pin(path, folder, attachment->interface))
		unlink(path);
	return err;
}

int shared_adopt(struct attachment *attachment, const char *path)
{
	struct xdp_program *program = xdp_program__from_pin(path);
	enum xdp_attach_mode mode;

	if (libxdp_get_error(program))
		return -ENOENT;
	attachment->ifindex = if_nametoindex(attachment->interface);
	mode = attachment->ifindex ? xdp_program__is_attached(program, (int)attachment->ifindex) : XDP_MODE_UNSPEC;
	if (mode == XDP_MODE_UNSPEC) {
		xdp_program__close(program);
		return -ENOENT;
	}
	attachment->shared = program;
	attachment->attached = true;
	attachment->mode = mode == XDP_MODE_SKB ? "generic" : "native";
	return 0;
}

bool shared_is_current(const struct attachment *attachment, const char *folder, const struct attach_source *source)
{
	struct program running;
	char path[PIN_PATH_MAX];
	bool current;

	program_init(&running);
	if (shared_pin(path, folder, attachment->interface) || program_open_pinned(&running, path, source->maps))
		return false;
	current = memcmp(&running.settings, &source->program->settings, sizeof(running.settings)) == 0;
	program_close(&running);
	return current;
}
