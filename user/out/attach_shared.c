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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "out/dispatcher.h"
#include "out/pins.h"

/* Holds what the verifier says of a program that it refuses, whole. */
#define VERIFIER_LOG_SIZE (1 << 20)

/* The program on its way into a dispatcher. It can be loaded once: another attempt takes a new one. */
struct instance {
	struct sluice_bpf *skeleton;
	struct xdp_program *program;
	char *log; /* the verifier's; empty if it did not refuse the program */
};

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

static bool is_without_dispatcher(__u32 ifindex)
{
	struct xdp_multiprog *dispatcher = xdp_multiprog__get_from_ifindex((int)ifindex);
	bool without = !libxdp_get_error(dispatcher) && xdp_multiprog__is_legacy(dispatcher);

	if (!libxdp_get_error(dispatcher))
		xdp_multiprog__close(dispatcher);
	return without;
}

/* libxdp reports success where it fell back to a single program, which is not what was asked for. */
static int check_dispatcher(struct attachment *attachment, struct xdp_program *program, enum xdp_attach_mode mode)
{
	if (!is_without_dispatcher(attachment->ifindex))
		return 0;
	xdp_program__detach(program, (int)attachment->ifindex, mode, 0);
	attachment->refused = true;
	attachment->refused_kind = ATTACH_SHARED;
	attachment->refused_mode = attachment->asked;
	return refuse(attachment, -EOPNOTSUPP, "no dispatcher: it needs /sys/fs/bpf and BPF_PROG_TYPE_EXT");
}

static int refuse_attach(struct attachment *attachment, int err)
{
	if (!is_without_dispatcher(attachment->ifindex))
		return refuse(attachment, err, "attaching");
	snprintf(attachment->why, sizeof(attachment->why),
		 "attach: shared: another XDP program is there without libxdp: detach it (ip link set dev %s xdp off)",
		 attachment->interface);
	return err;
}

/* What libbpf and libxdp say on the way, where it is no news or another way comes next. */
struct silence {
	libbpf_print_fn_t libbpf;
	libxdp_print_fn_t libxdp;
};

static struct silence silence_begin(void)
{
	return (struct silence){.libbpf = libbpf_set_print(NULL), .libxdp = libxdp_set_print(NULL)};
}

static void silence_end(const struct silence *silence)
{
	libbpf_set_print(silence->libbpf);
	libxdp_set_print(silence->libxdp);
}

static enum xdp_attach_mode instance_mode(const struct xdp_program *program, __u32 ifindex)
{
	return program && ifindex ? xdp_program__is_attached(program, (int)ifindex) : XDP_MODE_UNSPEC;
}

static int detach_instance(struct xdp_program *program, __u32 ifindex)
{
	enum xdp_attach_mode mode = instance_mode(program, ifindex);
	char folder[DISPATCHER_FOLDER_MAX];
	struct silence silence;
	int err;

	if (mode == XDP_MODE_UNSPEC)
		return 0;
	silence = silence_begin();
	err = xdp_program__detach(program, (int)ifindex, mode, 0);
	/* those that stay get a new dispatcher, and may want ours as much as we do */
	if (err && !dispatcher_offer(folder)) {
		err = xdp_program__detach(program, (int)ifindex, mode, 0);
		dispatcher_withdraw(folder);
	}
	silence_end(&silence);
	return err;
}

static bool verifier_refused(const struct instance *instance)
{
	return instance->log && instance->log[0];
}

static void instance_close(struct instance *instance)
{
	xdp_program__close(instance->program);
	sluice_bpf__destroy(instance->skeleton);
	free(instance->log);
	memset(instance, 0, sizeof(*instance));
}

static int instance_open(struct instance *instance, struct attachment *attachment, const struct attach_source *source)
{
	int err;

	memset(instance, 0, sizeof(*instance));
	instance->skeleton = program_prepare(source->maps, &source->program->settings);
	if (!instance->skeleton)
		return refuse(attachment, -EINVAL, "preparing the program (see the log)");
	bpf_program__set_autoload(instance->skeleton->progs.slow, false); /* runs already */
	instance->log = memory_new(1, VERIFIER_LOG_SIZE);
	bpf_program__set_log_buf(instance->skeleton->progs.sluice, instance->log, VERIFIER_LOG_SIZE);
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = instance->skeleton->obj, .prog_name = "sluice");
	instance->program = xdp_program__create(&options);
	err = (int)libxdp_get_error(instance->program);
	if (err) {
		instance->program = NULL;
		return refuse(attachment, err, "opening the program");
	}
	return 0;
}

static int instance_try(struct instance *instance, struct attachment *attachment, const struct attach_source *source,
			enum xdp_attach_mode mode)
{
	int err = instance_open(instance, attachment, source);

	if (err)
		return err;
	err = xdp_program__attach(instance->program, (int)attachment->ifindex, mode, 0);
	return err ? refuse_attach(attachment, err) : check_dispatcher(attachment, instance->program, mode);
}

static int instance_try_quietly(struct instance *instance, struct attachment *attachment,
				const struct attach_source *source, enum xdp_attach_mode mode)
{
	struct silence silence = silence_begin();
	int err = instance_try(instance, attachment, source, mode);

	silence_end(&silence);
	return err;
}

/*
 * Attaches with libxdp's own dispatcher. Where that fails, with ours: the kernel
 * may refuse libxdp's for our program's sake, or for a former instance of it that
 * is to stay in, and libxdp has many words for that.
 */
static int instance_attach(struct instance *instance, struct attachment *attachment, const struct attach_source *source,
			   enum xdp_attach_mode mode)
{
	bool again = attachment->why[0]; /* told already */
	char folder[DISPATCHER_FOLDER_MAX];
	int err = instance_try_quietly(instance, attachment, source, mode);

	if (!err || attachment->refused || dispatcher_offer(folder))
		return err;
	instance_close(instance);
	err = again ? instance_try_quietly(instance, attachment, source, mode)
		    : instance_try(instance, attachment, source, mode);
	dispatcher_withdraw(folder);
	return err;
}

/* A newer instance goes where the former one is; the first one where it is asked for, or can be. */
static int attach_mode(struct instance *instance, struct attachment *attachment, const struct attach_source *source,
		       enum xdp_mode asked)
{
	enum xdp_attach_mode mode = instance_mode(attachment->shared, attachment->ifindex);
	bool may_fall_back = asked == MODE_AUTO && mode == XDP_MODE_UNSPEC;
	int err;

	if (mode == XDP_MODE_UNSPEC)
		mode = asked == MODE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	err = instance_attach(instance, attachment, source, mode);
	if (err && may_fall_back && !attachment->refused && !verifier_refused(instance)) {
		log_warning("%s: native XDP in the dispatcher failed: trying generic mode, which is slower",
			    attachment->interface);
		instance_close(instance);
		err = instance_attach(instance, attachment, source, XDP_MODE_SKB);
	}
	return err;
}

/* The pinned program is what the next agent finds it by. */
static int instance_pin(const struct instance *instance, struct attachment *attachment, const char *folder,
			struct xdp_program **pinned)
{
	char path[PIN_PATH_MAX];
	int err = shared_pin(path, folder, attachment->interface);

	if (!err)
		err = pins_replace(xdp_program__fd(instance->program), path);
	if (!err) {
		*pinned = xdp_program__from_pin(path);
		err = (int)libxdp_get_error(*pinned);
	}
	return err ? refuse(attachment, err, "pinning the program") : 0;
}

int shared_attach(struct attachment *attachment, const char *folder, const struct attach_source *source,
		  enum xdp_mode mode)
{
	struct xdp_program *pinned;
	struct instance instance;
	bool again = attachment->why[0];
	int err = attach_mode(&instance, attachment, source, mode);

	if (err && !again && verifier_refused(&instance))
		fprintf(stderr, "%s", instance.log);
	if (!err) {
		err = instance_pin(&instance, attachment, folder, &pinned);
		if (err)
			detach_instance(instance.program, attachment->ifindex);
	}
	if (!err) {
		if (attachment->shared)
			detach_instance(attachment->shared, attachment->ifindex);
		xdp_program__close(attachment->shared);
		attachment->shared = pinned;
		attachment->program_id = source->program->id;
	}
	instance_close(&instance);
	return err;
}

bool shared_stands(const struct attachment *attachment)
{
	return instance_mode(attachment->shared, attachment->ifindex) != XDP_MODE_UNSPEC;
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
	mode = instance_mode(program, attachment->ifindex);
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

int shared_repair(const struct attachment *attachment, const char *folder)
{
	char path[PIN_PATH_MAX];

	if (!attachment->shared)
		return 0;
	return shared_pin(path, folder, attachment->interface)
		       ?: pins_repair(xdp_program__fd(attachment->shared), path);
}
