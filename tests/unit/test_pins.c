/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The folder of pins: who may have it, what is in it, and how a pin is replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "lib/file.h"
#include "out/pins.h"
#include "unit/private_bpffs.h"
#include "unit/temp_folder.h"

#define FOLDER BPFFS "/sluice"

static bool have_namespaces;

static int begin(void **state)
{
	(void)state;
	return have_namespaces ? private_bpffs_mount() : 0;
}

static int end(void **state)
{
	(void)state;
	return have_namespaces ? private_bpffs_unmount() : 0;
}

static void need_namespaces(void)
{
	if (!have_namespaces)
		skip();
}

static void test_paths(void **unused)
{
	char path[PIN_PATH_MAX], longest[PIN_PATH_MAX];

	(void)unused;
	assert_int_equal(pins_path(path, FOLDER, PINS_MAPS, "slots"), 0);
	assert_string_equal(path, FOLDER "/maps/slots");
	assert_int_equal(pins_path(path, FOLDER, NULL, "prog"), 0);
	assert_string_equal(path, FOLDER "/prog");
	memset(longest, 'x', sizeof(longest));
	longest[PIN_PATH_MAX - 6] = '\0';
	assert_int_equal(pins_path(path, longest, NULL, "prog"), 0);
	assert_int_equal(strlen(path), PIN_PATH_MAX - 1);
	assert_int_equal(pins_path(path, longest, NULL, "progs"), -ENAMETOOLONG);
	assert_int_equal(pins_path(path, longest, "a", "b"), 0);
	assert_int_equal(pins_path(path, longest, "a", "bcd"), -ENAMETOOLONG);
}

static void test_names_of_interfaces(void **unused)
{
	static const char *const interfaces[] = {"eth0", "eth0.10", "a.b.c", "enp0s31f6.4094", "fifteen.letters"};

	(void)unused;
	for (size_t i = 0; i < sizeof(interfaces) / sizeof(interfaces[0]); i++) {
		char name[IFNAMSIZ], back[IFNAMSIZ];

		pins_from_interface(name, interfaces[i]);
		assert_null(strchr(name, '.'));
		pins_to_interface(back, name);
		assert_string_equal(back, interfaces[i]);
	}
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void test_the_folder_is_made(void **unused)
{
	static const char *const folders[] = {FOLDER, FOLDER "/" PINS_MAPS, FOLDER "/" PINS_LINKS,
					      FOLDER "/" PINS_SHARED};
	int lock;

	(void)unused;
	need_namespaces();
	assert_int_equal(file_lock_folder(FOLDER), -ENOENT);
	lock = pins_open(FOLDER);
	assert_true(lock >= 0);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		struct stat info;

		assert_int_equal(stat(folders[i], &info), 0);
		assert_true(S_ISDIR(info.st_mode));
		assert_int_equal(info.st_mode & 077, 0); /* whoever has the maps has the traffic */
	}
	close(lock);
}

static void test_only_one_has_the_folder(void **unused)
{
	int lock, again;

	(void)unused;
	need_namespaces();
	lock = pins_open(FOLDER);
	assert_true(lock >= 0);
	assert_int_equal(pins_open(FOLDER), -EBUSY);
	assert_int_equal(file_lock_folder(FOLDER), -EBUSY);
	again = pins_open(FOLDER "2");
	assert_true(again >= 0);
	close(again);
	close(lock);
	again = file_lock_folder(FOLDER);
	assert_true(again >= 0);
	close(again);
}

static void test_the_lock_ends_with_the_process(void **unused)
{
	int status, lock;
	pid_t pid;

	(void)unused;
	need_namespaces();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(pins_open(FOLDER) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	lock = pins_open(FOLDER);
	assert_true(lock >= 0);
	close(lock);
}

static void test_elsewhere_nothing_is_mounted(void **unused)
{
	char path[TEMP_FOLDER_SIZE], folder[64];

	(void)unused;
	need_namespaces();
	assert_int_equal(temp_folder_make(path, 0700), 0);
	snprintf(folder, sizeof(folder), "%s/sluice", path);
	assert_int_equal(pins_open(folder), -EINVAL);
	assert_false(exists(folder));
	assert_int_equal(mount("bpf", path, "bpf", 0, NULL), 0);
	close(pins_open(folder));
	assert_true(exists(folder));
	umount2(path, MNT_DETACH);
	assert_int_equal(temp_folder_remove(path), 0);
}

/* Fresh hosts and containers have no bpffs yet. */
static void test_the_usual_place_is_mounted(void **unused)
{
	struct statfs info;
	int lock;

	(void)unused;
	need_namespaces();
	/* a tmpfs hides whatever the host has there */
	assert_int_equal(mount("none", BPFFS, "tmpfs", 0, NULL), 0);
	lock = pins_open(FOLDER);
	assert_true(lock >= 0);
	assert_int_equal(statfs(FOLDER, &info), 0);
	assert_int_equal(info.f_type, BPF_FS_MAGIC);
	close(lock);
	umount2(BPFFS, MNT_DETACH);
	umount2(BPFFS, MNT_DETACH);
}

static void test_a_path_that_is_too_long(void **unused)
{
	char path[PIN_PATH_MAX + 1];

	(void)unused;
	need_namespaces();
	memset(path, 'x', sizeof(path));
	memcpy(path, BPFFS "/", strlen(BPFFS) + 1);
	path[PIN_PATH_MAX] = '\0';
	assert_int_equal(pins_open(path), -ENAMETOOLONG);
}

static int make_map(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", 4, 8, 1, NULL);

	assert_true(fd >= 0);
	return fd;
}

static __u32 id_of(int fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	return info.id;
}

static void assert_pinned(const char *path, int fd)
{
	int pinned = bpf_obj_get(path);

	assert_true(pinned >= 0);
	assert_int_equal(id_of(pinned), id_of(fd));
	close(pinned);
}

static int count_pin(const char *path, const char *name, void *argument)
{
	(void)path;
	(void)name;
	++*(int *)argument;
	return 0;
}

static int pins_count(const char *sub)
{
	int count = 0;

	assert_int_equal(pins_each(FOLDER, sub, count_pin, &count), 0);
	return count;
}

/* The folder, and two maps to be pinned in it. */
struct maps {
	int lock, one, two;
};

static struct maps open_maps(void)
{
	need_namespaces();
	return (struct maps){pins_open(FOLDER), make_map(), make_map()};
}

static void close_maps(const struct maps *maps)
{
	close(maps->one);
	close(maps->two);
	close(maps->lock);
}

static void test_a_pin_is_replaced(void **unused)
{
	struct maps maps = open_maps();

	(void)unused;
	assert_int_equal(pins_replace(maps.one, FOLDER "/maps/x"), 0);
	assert_pinned(FOLDER "/maps/x", maps.one);
	assert_int_equal(pins_replace(maps.two, FOLDER "/maps/x"), 0);
	assert_pinned(FOLDER "/maps/x", maps.two);
	assert_int_equal(pins_count(PINS_MAPS), 1);
	assert_true(pins_replace(maps.two, FOLDER "/missing/x") < 0);
	assert_true(pins_replace(maps.lock, FOLDER "/maps/x") < 0); /* no BPF object: the pin stays */
	assert_pinned(FOLDER "/maps/x", maps.two);
	assert_int_equal(pins_count(PINS_MAPS), 1);
	close_maps(&maps);
}

static void test_a_crash_while_replacing(void **unused)
{
	struct maps maps = open_maps();

	(void)unused;
	assert_int_equal(bpf_obj_pin(maps.one, FOLDER "/maps/x" PINS_FRESH), 0);
	assert_int_equal(pins_replace(maps.two, FOLDER "/maps/x"), 0);
	assert_pinned(FOLDER "/maps/x", maps.two);
	assert_int_equal(pins_count(PINS_MAPS), 1);
	close_maps(&maps);
}

/* Whatever an interface is called, its pin is not in the way of another one's. */
static void test_pins_do_not_meet(void **unused)
{
	struct maps maps = open_maps();

	(void)unused;
	assert_int_equal(pins_replace(maps.one, FOLDER "/links/wan_new"), 0);
	assert_int_equal(pins_replace(maps.two, FOLDER "/links/wan"), 0);
	assert_pinned(FOLDER "/links/wan_new", maps.one);
	close_maps(&maps);
}

static int stop_at_b(const char *path, const char *name, void *argument)
{
	assert_ptr_equal(strstr(path, FOLDER "/maps/"), path);
	assert_string_equal(strrchr(path, '/') + 1, name);
	strcat(argument, name);
	assert_int_equal(unlink(path), 0); /* which must not disturb the rest */
	return strcmp(name, "b") == 0 ? -EINTR : 0;
}

static void test_each_pin(void **unused)
{
	char seen[16] = "";
	int lock, map;

	(void)unused;
	need_namespaces();
	lock = pins_open(FOLDER);
	map = make_map();
	assert_int_equal(pins_each(FOLDER, "missing", stop_at_b, seen), 0);
	assert_int_equal(pins_each(FOLDER, PINS_MAPS, stop_at_b, seen), 0);
	assert_string_equal(seen, "");
	assert_int_equal(pins_replace(map, FOLDER "/maps/a"), 0);
	assert_int_equal(pins_replace(map, FOLDER "/maps/b"), 0);
	assert_int_equal(pins_replace(map, FOLDER "/maps/c"), 0);
	assert_int_equal(pins_each(FOLDER, PINS_MAPS, stop_at_b, seen), -EINTR);
	assert_string_equal(seen, "ab");
	assert_int_equal(pins_each(FOLDER, PINS_MAPS, stop_at_b, seen), 0);
	assert_string_equal(seen, "abc");
	close(map);
	close(lock);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_names_of_interfaces),
		TEST(test_the_folder_is_made),
		TEST(test_only_one_has_the_folder),
		TEST(test_the_lock_ends_with_the_process),
		TEST(test_elsewhere_nothing_is_mounted),
		TEST(test_the_usual_place_is_mounted),
		TEST(test_a_path_that_is_too_long),
		TEST(test_a_pin_is_replaced),
		TEST(test_a_crash_while_replacing),
		TEST(test_pins_do_not_meet),
		TEST(test_each_pin),
	};

	have_namespaces = private_namespaces();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
