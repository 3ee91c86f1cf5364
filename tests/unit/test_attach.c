/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Interfaces get the program, keep it, change how they have it, and lose it. */
#include "unit/dataplane_lab.h"

static void test_modes(void **state)
{
	struct lab *lab = need_lab(state);
	struct config *config;

	start(lab, sample(MODE_GENERIC));
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_SKB);
	plan_for(lab, sample(MODE_NATIVE));
	assert_int_equal(attach(lab), 0);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_DRV);
	/* automatic is content with what there is */
	plan_for(lab, sample(MODE_AUTO));
	assert_int_equal(attach(lab), 0);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_DRV);

	config = sample(MODE_AUTO);
	config->interfaces[0].name = "v1";
	know_link(lab, "v1");
	plan_for(lab, config);
	assert_int_equal(attach(lab), 0);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_NONE);
	assert_int_equal(attached_mode("v1"), XDP_ATTACHED_DRV);
	assert_true(access(FOLDER "/links/v0", F_OK) < 0);
}

static void test_a_deleted_interface_stops_nothing(void **state)
{
	struct lab *lab = need_lab(state);
	__u32 former = if_nametoindex("v0");

	start(lab, sample(MODE_AUTO));
	assert_int_equal(system("ip link del v0"), 0);
	/* before netlink tells of it */
	plan_for(lab, with_other_key());
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);

	network_link_delete(&lab->state.network, former);
	assert_int_equal(system("ip link add v0 type veth peer name v1 && ip link set v0 up"), 0);
	know_link(lab, "v0");
	assert_int_equal(attach(lab), 0);
	check_kernel(lab);
}

static void test_an_interface_that_comes_late(void **state)
{
	struct lab *lab = need_lab(state);

	assert_int_equal(system("ip link del v0"), 0);
	open_dataplane(lab);
	plan_for(lab, sample(MODE_AUTO));
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 1);
	assert_int_equal(attach(lab), 1);
	assert_int_equal(system("ip link add v0 type veth peer name v1 && ip link set v0 up"), 0);
	know_link(lab, "v0");
	assert_int_equal(attach(lab), 0);
	check_kernel(lab);
}

/* An attachment without a pin would end with the agent: it does not count, and is tried again. */
static void test_an_attachment_that_cannot_be_pinned(void **state)
{
	struct lab *lab = need_lab(state);

	open_dataplane(lab);
	plan_for(lab, sample(MODE_AUTO));
	know_link(lab, "v0");
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(rmdir(FOLDER "/links"), 0);
	assert_int_equal(attach(lab), 1);
	assert_int_equal(attach(lab), 1);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_NONE);
	assert_int_equal(mkdir(FOLDER "/links", 0700), 0);
	assert_int_equal(attach(lab), 0);
	check_kernel(lab);
}

static const char *interface_why(const struct lab *lab, char why[static 256])
{
	json_t *interfaces = dataplane_interfaces_json(lab->dataplane);

	snprintf(why, 256, "%s", json_string_value(json_object_get(json_array_get(interfaces, 0), "why")));
	json_decref(interfaces);
	return why;
}

static void test_another_program_on_the_interface(void **state)
{
	struct lab *lab = need_lab(state);
	struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS}, {.code = BPF_JMP | BPF_EXIT}};
	int other = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "GPL", pass, 2, NULL);
	char why[256];

	assert_true(other >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("v0"), other, XDP_FLAGS_DRV_MODE, NULL), 0);
	open_dataplane(lab);
	plan_for(lab, sample(MODE_AUTO));
	know_link(lab, "v0");
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 1);
	assert_non_null(strstr(interface_why(lab, why), "another XDP program"));
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("v0"), XDP_FLAGS_DRV_MODE, NULL), 0);
	close(other);
	assert_int_equal(attach(lab), 0);
	assert_string_equal(interface_why(lab, why), "");
	check_kernel(lab);
}

static int make_map(const char *path)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign", 4, 8, 1, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	return fd;
}

static void test_removal(void **state)
{
	struct lab *lab = need_lab(state);

	assert_int_equal(dataplane_remove(FOLDER), -ENOENT);
	start(lab, sample(MODE_AUTO));
	assert_int_equal(dataplane_remove(FOLDER), -EBUSY);
	check_kernel(lab);
	stop(lab);
	assert_int_equal(dataplane_remove(FOLDER), 0);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_NONE);
	assert_true(access(FOLDER, F_OK) < 0);
	assert_int_equal(dataplane_remove(FOLDER), -ENOENT);
}

static void test_removal_spares_what_is_not_ours(void **state)
{
	static const char *const foreign[] = {FOLDER "/foreign", FOLDER "/maps/foreign"};
	struct lab *lab = need_lab(state);
	int fd;

	start(lab, sample(MODE_AUTO));
	for (size_t i = 0; i < 2; i++)
		close(make_map(foreign[i]));
	fd = bpf_obj_get(FOLDER "/maps/slots");
	assert_int_equal(bpf_obj_pin(fd, FOLDER "/maps/slots" PINS_FRESH), 0); /* as a crash leaves it */
	close(fd);
	restart(lab);
	stop(lab);
	assert_int_equal(dataplane_remove(FOLDER), 0);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_NONE);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(unlink(foreign[i]), 0);
	assert_int_equal(rmdir(FOLDER "/maps"), 0);
	assert_int_equal(rmdir(FOLDER), 0);
}

/* Interfaces went meanwhile. */
static void test_removal_after_the_interfaces(void **state)
{
	struct lab *lab = need_lab(state);

	start(lab, sample(MODE_AUTO));
	stop(lab);
	assert_int_equal(system("ip link del v0"), 0);
	assert_int_equal(dataplane_remove(FOLDER), 0);
	assert_true(access(FOLDER, F_OK) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_modes),
		TEST(test_a_deleted_interface_stops_nothing),
		TEST(test_an_interface_that_comes_late),
		TEST(test_an_attachment_that_cannot_be_pinned),
		TEST(test_another_program_on_the_interface),
		TEST(test_removal),
		TEST(test_removal_spares_what_is_not_ours),
		TEST(test_removal_after_the_interfaces),
	};

	have_namespaces = private_namespaces();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
