/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The snapshot is the old one or the new one, never half of one, and says so if it cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "out/snapshot.h"
#include "unit/temp_folder.h"

struct folder {
	char path[TEMP_FOLDER_SIZE];
	char file[80];
};

static int begin(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	if (temp_folder_make(folder->path, 0700))
		return -1;
	snprintf(folder->file, sizeof(folder->file), "%s/snapshot.json", folder->path);
	*state = folder;
	return 0;
}

static int end(void **state)
{
	struct folder *folder = *state;
	int err = temp_folder_remove(folder->path);

	free(folder);
	return err;
}

/* That many entries, "." and ".." not counted. */
static void assert_entries(const char *path, int expected)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, NULL);

	assert_int_equal(count, expected + 2);
	while (count)
		free(entries[--count]);
	free(entries);
}

static json_t *content(int number)
{
	return json_pack("{si s{si} s[s s]}", "version", number, "ids", "web/one", 7, "list", "x", "\"\n\xc3\xa9");
}

static void write_content(const struct folder *folder, int number)
{
	json_t *written = content(number);

	assert_int_equal(snapshot_write(folder->path, "snapshot", SNAPSHOT_DURABLE, written), 0);
	json_decref(written);
}

static void assert_content(const struct folder *folder, int number)
{
	json_t *expected = content(number);
	char *why;
	json_t *read = snapshot_read(folder->path, "snapshot", &why);

	assert_null(why);
	assert_non_null(read);
	assert_true(json_equal(read, expected));
	json_decref(read);
	json_decref(expected);
}

static void test_round_trip(void **state)
{
	const struct folder *folder = *state;

	write_content(folder, 1);
	assert_content(folder, 1);
	write_content(folder, 2);
	assert_content(folder, 2);
	assert_entries(folder->path, 1);
}

static void test_no_snapshot_is_no_error(void **state)
{
	const struct folder *folder = *state;
	char *why = "";

	assert_null(snapshot_read(folder->path, "snapshot", &why));
	assert_null(why);
	assert_null(snapshot_read("/nonexistent/folder", "snapshot", &why));
	assert_null(why);
}

static void put_file(const char *path, const char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void assert_unusable(const struct folder *folder)
{
	char *why;

	assert_null(snapshot_read(folder->path, "snapshot", &why));
	assert_non_null(why);
	assert_ptr_equal(strstr(why, folder->file), why);
	free(why);
}

static void test_a_file_cut_anywhere_cannot_be_used(void **state)
{
	const struct folder *folder = *state;
	json_t *written = content(1);
	char *text = json_dumps(written, JSON_COMPACT | JSON_SORT_KEYS);

	for (size_t size = 0; size < strlen(text); size++) {
		put_file(folder->file, text, size);
		assert_unusable(folder);
	}
	put_file(folder->file, text, strlen(text));
	assert_content(folder, 1);
	free(text);
	json_decref(written);
}

static void test_other_files_cannot_be_used(void **state)
{
	const struct folder *folder = *state;
	static const char zeros[4096];

	put_file(folder->file, zeros, sizeof(zeros)); /* as some file systems leave after a power cut */
	assert_unusable(folder);
	put_file(folder->file, "{\"a\": 1, \"a\": 2}", 16);
	assert_unusable(folder);
	put_file(folder->file, "{} {}", 5);
	assert_unusable(folder);
	unlink(folder->file);
	assert_int_equal(mkdir(folder->file, 0700), 0);
	assert_unusable(folder);
	rmdir(folder->file);
	assert_int_equal(symlink("snapshot.json", folder->file), 0); /* a loop: there is something, but what? */
	assert_unusable(folder);
}

static void test_remains_of_a_crash_do_no_harm(void **state)
{
	const struct folder *folder = *state;
	char fresh[PATH_MAX];

	write_content(folder, 1);
	snprintf(fresh, sizeof(fresh), "%s.new", folder->file);
	put_file(fresh, "{\"version\": 3, \"much\": \"longer than what will be written\"", 50);
	assert_content(folder, 1);
	write_content(folder, 2);
	assert_content(folder, 2);
	assert_entries(folder->path, 1);
}

/* As when the disk is full. */
static void test_a_failed_write_leaves_the_former_one(void **state)
{
	const struct folder *folder = *state;
	struct rlimit before, tiny;
	json_t *next = content(2);
	int err;

	write_content(folder, 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tiny = (struct rlimit){.rlim_cur = 10, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	err = snapshot_write(folder->path, "snapshot", SNAPSHOT_DURABLE, next);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
	assert_true(err < 0);
	assert_content(folder, 1);
	assert_entries(folder->path, 1);
	json_decref(next);
}

static void test_removed_is_gone(void **state)
{
	const struct folder *folder = *state;
	json_t *written = content(1);
	char *why;

	assert_int_equal(snapshot_write(folder->path, "snapshot", SNAPSHOT_DURABLE, written), 0);
	assert_int_equal(snapshot_remove(folder->path, "snapshot"), 0);
	assert_entries(folder->path, 0);
	assert_null(snapshot_read(folder->path, "snapshot", &why));
	assert_null(why);
	assert_int_equal(snapshot_remove(folder->path, "snapshot"), 0);
	assert_int_equal(mkdir(folder->file, 0700), 0);
	assert_true(snapshot_remove(folder->path, "snapshot") < 0);
	json_decref(written);
}

static void test_a_place_that_cannot_be_written(void **state)
{
	const struct folder *folder = *state;
	json_t *written = content(1);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/missing", folder->path);
	assert_true(snapshot_write(path, "snapshot", SNAPSHOT_DURABLE, written) < 0);
	put_file(path, "", 0);
	assert_true(snapshot_write(path, "snapshot", SNAPSHOT_DURABLE, written) < 0);
	unlink(path);
	assert_int_equal(mkdir(folder->file, 0700), 0);
	assert_true(snapshot_write(folder->path, "snapshot", SNAPSHOT_DURABLE, written) < 0);
	assert_entries(folder->path, 1);
	json_decref(written);
}

/* Each has a file of its own, and a quick one is as whole as any. */
static void test_names_do_not_mix(void **state)
{
	const struct folder *folder = *state;
	json_t *health = content(2), *read;
	char *why;

	write_content(folder, 1);
	assert_int_equal(snapshot_write(folder->path, "health", SNAPSHOT_SOON, health), 0);
	assert_entries(folder->path, 2);
	assert_content(folder, 1);
	read = snapshot_read(folder->path, "health", &why);
	assert_null(why);
	assert_true(json_equal(read, health));
	json_decref(read);
	assert_null(snapshot_read(folder->path, "overrides", &why));
	assert_null(why);
	assert_int_equal(snapshot_remove(folder->path, "health"), 0);
	assert_entries(folder->path, 1);
	assert_content(folder, 1);
	json_decref(health);
}

/* A quick one is written without reading what is there. */
static void test_quick_ones_are_always_written(void **state)
{
	const struct folder *folder = *state;
	json_t *written = content(1);
	struct stat first, second;

	write_content(folder, 1);
	assert_int_equal(stat(folder->file, &first), 0);
	assert_int_equal(snapshot_write(folder->path, "snapshot", SNAPSHOT_SOON, written), 0);
	assert_int_equal(stat(folder->file, &second), 0);
	assert_true(first.st_ino != second.st_ino);
	assert_content(folder, 1);
	json_decref(written);
}

/* Nobody else reads a secret, not even where a crash has left the file readable. */
static void test_private_files_stay_private(void **state)
{
	const struct folder *folder = *state;
	char path[PATH_MAX], fresh[PATH_MAX + 8], text[16] = "";
	mode_t mask = umask(0);
	struct stat info;
	FILE *file;

	snprintf(path, sizeof(path), "%s/applied.yaml", folder->path);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	put_file(fresh, "left", 4);
	assert_int_equal(chmod(fresh, 0666), 0);
	assert_int_equal(file_replace(path, "secret\0\n", 8, FILE_PRIVATE), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode, S_IFREG | 0600);
	file = fopen(path, "r");
	assert_int_equal(fread(text, 1, sizeof(text), file), 8);
	assert_memory_equal(text, "secret\0\n", 8);
	fclose(file);

	/* and one that was public becomes private, with a link in the way of the fresh one */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(symlink("/nonexistent/elsewhere", fresh), 0);
	assert_int_equal(file_replace(path, "x", 1, FILE_PRIVATE | FILE_QUICK), 0);
	assert_int_equal(lstat(path, &info), 0);
	assert_int_equal(info.st_mode, S_IFREG | 0600);
	assert_int_equal(file_replace(path, "x", 1, 0), 0);
	assert_int_equal(lstat(path, &info), 0);
	assert_int_equal(info.st_mode, S_IFREG | 0644);
	assert_entries(folder->path, 1);
	umask(mask);
}

static void test_what_is_there_is_not_written_again(void **state)
{
	const struct folder *folder = *state;
	struct stat first, second, other;

	write_content(folder, 1);
	assert_int_equal(stat(folder->file, &first), 0);
	write_content(folder, 1);
	assert_int_equal(stat(folder->file, &second), 0);
	assert_true(first.st_ino == second.st_ino);
	write_content(folder, 2);
	assert_int_equal(stat(folder->file, &other), 0);
	assert_true(other.st_ino != first.st_ino);
	assert_content(folder, 2);
}

static void test_the_folder_is_made_with_its_parents(void **state)
{
	const struct folder *folder = *state;
	char path[PATH_MAX];
	struct stat info;

	int lock = snapshot_open(folder->path);

	assert_true(lock >= 0);
	close(lock);
	snprintf(path, sizeof(path), "%s/a/b//c/", folder->path);
	lock = snapshot_open(path);
	assert_true(lock >= 0);
	assert_int_equal(stat(path, &info), 0);
	assert_true(S_ISDIR(info.st_mode));
	close(lock);
	lock = snapshot_open(path);
	assert_true(lock >= 0);
	close(lock);
}

static void test_the_folder_has_one_agent(void **state)
{
	const struct folder *folder = *state;
	int lock = snapshot_open(folder->path);

	assert_true(lock >= 0);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(snapshot_open(folder->path), -EBUSY);
	close(lock);
	lock = snapshot_open(folder->path);
	assert_true(lock >= 0);
	close(lock);
}

static void test_a_folder_that_was_removed(void **state)
{
	const struct folder *folder = *state;
	char path[PATH_MAX];
	int lock, other;

	snprintf(path, sizeof(path), "%s/a/b", folder->path);
	lock = snapshot_open(path);
	assert_true(lock >= 0);
	assert_int_equal(snapshot_repair_folder(path, &lock), 0);
	assert_int_equal(rmdir(path), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	strcat(path, "/b");
	assert_int_equal(snapshot_repair_folder(path, &lock), 1);
	assert_int_equal(snapshot_open(path), -EBUSY);
	assert_int_equal(snapshot_repair_folder(path, &lock), 0);
	/* another agent was faster */
	assert_int_equal(rmdir(path), 0);
	other = snapshot_open(path);
	assert_true(other >= 0);
	assert_int_equal(snapshot_repair_folder(path, &lock), -EBUSY);
	close(other);
	assert_int_equal(snapshot_repair_folder(path, &lock), 1);
	close(lock);
}

static void test_a_folder_that_cannot_be_made(void **state)
{
	const struct folder *folder = *state;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/file", folder->path);
	put_file(path, "", 0);
	assert_true(snapshot_open(path) < 0);
	strcat(path, "/below");
	assert_true(snapshot_open(path) < 0);
	assert_true(snapshot_open("/proc/nothing/here") < 0);
	assert_true(snapshot_open("") < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_no_snapshot_is_no_error),
		TEST(test_a_file_cut_anywhere_cannot_be_used),
		TEST(test_other_files_cannot_be_used),
		TEST(test_remains_of_a_crash_do_no_harm),
		TEST(test_a_failed_write_leaves_the_former_one),
		TEST(test_removed_is_gone),
		TEST(test_a_place_that_cannot_be_written),
		TEST(test_names_do_not_mix),
		TEST(test_quick_ones_are_always_written),
		TEST(test_private_files_stay_private),
		TEST(test_what_is_there_is_not_written_again),
		TEST(test_the_folder_is_made_with_its_parents),
		TEST(test_the_folder_has_one_agent),
		TEST(test_a_folder_that_was_removed),
		TEST(test_a_folder_that_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
