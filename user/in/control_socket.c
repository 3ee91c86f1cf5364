/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/control_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"

#define BACKLOG 64

static int socket_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!*path || strlen(path) >= sizeof(address->sun_path)) {
		log_error(
			"control socket %s: the path must have 1 to %zu characters: choose a shorter one with --socket",
			path, sizeof(address->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(address->sun_path, path);
	return 0;
}

static int make_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int error;

	if (!slash || slash == path)
		return 0;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		return 0;
	error = -errno;
	log_error("control socket %s: cannot make the folder %s: %s", path, folder, strerror(-error));
	return error;
}

/* Makes way at the path, but takes nothing away from anybody who lives. */
static int remove_stale(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat found;
	int fd, error = 0;

	if (lstat(path, &found))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(found.st_mode)) {
		log_error("control socket %s: there is a file that is no socket: remove it or choose another path",
			  path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: somebody listens there, with a full backlog */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN) {
		log_error(
			"control socket %s: another agent answers there: stop it, or choose another path with --socket",
			path);
		error = -EADDRINUSE;
	} else if (unlink(path) && errno != ENOENT) {
		error = -errno;
		log_error("control socket %s: cannot remove the stale socket: %s", path, strerror(-error));
	}
	close(fd);
	return error;
}

static int group_find(const char *path, const char *name, gid_t *gid)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (!group) {
		log_error("control socket %s: there is no group '%s': make it (groupadd -r %s) or leave out --group",
			  path, name, name);
		return errno ? -errno : -ENOENT;
	}
	*gid = group->gr_gid;
	return 0;
}

/* The group comes before the rights, so that no wrong group ever has them. */
static int give_rights(const char *path, const char *group)
{
	gid_t gid = (gid_t)-1;
	int error = group ? group_find(path, group, &gid) : 0;

	if (error)
		return error;
	if (lchown(path, (uid_t)-1, gid) || chmod(path, 0660)) {
		error = -errno;
		log_error("control socket %s: cannot set its group and mode: %s", path, strerror(-error));
	}
	return error;
}

int control_socket_listen(const char *path, const char *group, struct stat *made)
{
	struct sockaddr_un address;
	mode_t mask;
	int fd, error;

	error = socket_address(path, &address);
	if (!error)
		error = make_folder(path);
	if (!error)
		error = remove_stale(&address);
	if (error)
		return error;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto failed;
	mask = umask(0177);
	error = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	errno = -error;
	if (error)
		goto failed;
	error = give_rights(path, group);
	if (error)
		goto remove;
	if (listen(fd, BACKLOG) == 0 && lstat(path, made) == 0)
		return fd;
	error = -errno;
	log_error("control socket %s: cannot listen: %s", path, strerror(-error));
remove:
	unlink(path);
	close(fd);
	return error;
failed:
	error = -errno;
	log_error("control socket %s: cannot make it: %s", path, strerror(-error));
	if (fd >= 0)
		close(fd);
	return error;
}

void control_socket_close(int fd, const char *path, const struct stat *made)
{
	struct stat found;

	if (lstat(path, &found) == 0 && found.st_dev == made->st_dev && found.st_ino == made->st_ino)
		unlink(path);
	close(fd);
}
