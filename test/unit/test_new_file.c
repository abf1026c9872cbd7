/* SPDX-License-Identifier: Apache-2.0 */
/* Writing leaves a whole file under the name asked for, or none. */
#include "../support/no_tmpfile.h"
#include "snap_models.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { HOLE = 4 << 20 };

static void what_exists_is_not_replaced(void **state)
{
	struct new_file_options o = { .path = "a.hsift" };
	struct model *m = model_make(10), *back;
	struct err e;

	(void)state;
	assert_true(new_file_may_be(&o, &e));
	assert_true(snap_write(m, &o, &e));
	assert_false(new_file_may_be(&o, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	assert_false(snap_write(m, &o, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	o.force = true;
	m->processes.pid[0] = 4711;
	assert_true(snap_write(m, &o, &e));
	back = read_back(o.path);
	assert_int_equal(back->processes.pid[0], 4711);
	assert_files(1);
	model_free(m);
	model_free(back);
	unlink(o.path);
}

static void what_cannot_be_written_is_said(void **state)
{
	struct new_file_options o = { .path = "/proc/nowhere/a.hsift" };
	struct model *m = model_make(10);
	struct err e;

	(void)state;
	assert_false(new_file_may_be(&o, &e));
	assert_int_equal(e.kind, ERR_FILE);
	assert_false(snap_write(m, &o, &e));
	o.path = ".";
	assert_false(new_file_may_be(&o, &e));
	assert_int_equal(e.kind, ERR_USAGE);
	o.path = "/dev/full"; /* a device is written to, not replaced */
	assert_false(snap_write(m, &o, &e));
	assert_non_null(strstr(e.text, "No space left"));
	o.path = "/dev/null";
	assert_true(snap_write(m, &o, &e));
	assert_int_equal(access("/dev/null", W_OK), 0);
	model_free(m);
	assert_files(0);
}

static void a_full_disk_leaves_nothing(void **state)
{
	struct model *m = model_make(1000000);
	struct new_file_options o = { .path = "small/a.hsift" };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(mkdir("small", 0700), 0);
	if (mount("none", "small", "tmpfs", 0, "size=1m") < 0) {
		print_message("NOT RUN: a small tmpfs cannot be mounted here\n");
	} else {
		for (int force = 0; force < 2; force++) {
			o.force = force;
			assert_false(snap_write(m, &o, &e));
			assert_int_equal(e.kind, ERR_FILE);
			assert_non_null(strstr(e.text, "No space left"));
			assert_files(0);
		}
		assert_int_equal(umount("small"), 0);
	}
	assert_int_equal(rmdir("small"), 0);
	model_free(m);
}

static void killed_writers_leave_nothing(void **state)
{
	struct model *m = model_make(300000);
	struct new_file_options o = { .path = "a.hsift" };
	unsigned killed = 0;
	struct err e;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(snap_write(m, &o, &e) ? 0 : 1);
		usleep(i * 1000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status)) {
			killed++;
			assert_files(0);
		} else {
			model_free(read_back(o.path)); /* whole */
			unlink(o.path);
		}
	}
	assert_true(killed > 5);
	model_free(m);
}

/* In a process of its own: 0 if all is well, else which step was not. */
static int steps_without_tmpfile(const struct model *m, const char *path)
{
	struct new_file_options o = { .path = path };
	struct model *back;
	struct err e;

	if (!forbid_tmpfile())
		return 77;
	if (!snap_write(m, &o, &e))
		return 1;
	if (snap_write(m, &o, &e) || e.kind != ERR_USAGE)
		return 2;
	o.force = true;
	if (!snap_write(m, &o, &e))
		return 3;
	if (!snap_read(path, &back, &e) || back->blocks.n != m->blocks.n)
		return 4;
	return 0;
}

static void file_systems_without_tmpfile_do_too(void **state)
{
	struct model *m = model_make(1000);
	const char *path = "a.hsift";
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(steps_without_tmpfile(m, path));
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		print_message("NOT RUN: a seccomp filter cannot be set here\n");
	else
		assert_int_equal(status, 0);
	unlink(path);
	assert_files(0);
	model_free(m);
}

/* A hole, bytes before and in it, and zeroes at the end. */
static void write_with_holes(struct new_file *f)
{
	struct err e;

	assert_true(new_file_write(f, "head", 4, &e));
	assert_true(new_file_skip(f, HOLE - 4, &e));
	assert_true(new_file_write(f, "tail", 4, &e));
	if (f->has_holes)
		assert_true(new_file_write_at(f, 1 << 20, "mid", 3, &e));
	assert_true(new_file_skip(f, HOLE, &e));
	assert_int_equal(f->written, 2 * HOLE + 4);
}

static void what_is_skipped_takes_no_room(void **state)
{
	struct new_file_options o = { .path = "holes" };
	struct new_file f;
	struct stat st;
	struct err e;
	char got[8];
	int fd;

	(void)state;
	assert_true(new_file_open(&f, &o, &e));
	write_with_holes(&f);
	assert_true(new_file_commit(&f, &e));
	new_file_close(&f);
	assert_int_equal(stat(o.path, &st), 0);
	assert_int_equal(st.st_size, 2 * HOLE + 4);
	assert_true(st.st_blocks * 512 <= 64 << 10);
	fd = open(o.path, O_RDONLY);
	assert_int_equal(pread(fd, got, 8, HOLE - 1), 8);
	assert_memory_equal(got, "\0tail\0\0", 8);
	assert_int_equal(pread(fd, got, 5, (1 << 20) - 1), 5);
	assert_memory_equal(got, "\0mid\0", 5);
	close(fd);
	unlink(o.path);
}

/* What cannot have holes gets the zeroes. */
static void what_is_skipped_is_streamed(void **state)
{
	FILE *stream = tmpfile();
	struct new_file_options o = { .fd = fileno(stream) };
	struct new_file f;
	struct stat st;
	struct err e;

	(void)state;
	assert_true(new_file_open(&f, &o, &e));
	assert_false(f.has_holes);
	write_with_holes(&f);
	assert_true(new_file_commit(&f, &e));
	new_file_close(&f);
	assert_int_equal(fstat(fileno(stream), &st), 0);
	assert_int_equal(st.st_size, 2 * HOLE + 4);
	assert_true(st.st_blocks * 512 >= st.st_size);
	fclose(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_exists_is_not_replaced),
		cmocka_unit_test(what_cannot_be_written_is_said),
		cmocka_unit_test(a_full_disk_leaves_nothing),
		cmocka_unit_test(killed_writers_leave_nothing),
		cmocka_unit_test(file_systems_without_tmpfile_do_too),
		cmocka_unit_test(what_is_skipped_takes_no_room),
		cmocka_unit_test(what_is_skipped_is_streamed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
