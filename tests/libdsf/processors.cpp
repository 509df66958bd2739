// processors: the quota of CPU time is found in trees of cgroups of both versions, wherever they are mounted
#include "base/processors.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "expect.h"

namespace {

std::vector<std::string> folders;  // removed at the end

std::string folder_of_its_own() {
    char name[] = "/tmp/processors.XXXXXX";
    EXPECT(mkdtemp(name) != nullptr);
    return folders.emplace_back(name);
}

// A file with all the folders above it.
void write(const std::string& path, const std::string& text) {
    for (size_t i = path.find('/', 1); i != std::string::npos; i = path.find('/', i + 1))
        ::mkdir(path.substr(0, i).c_str(), 0700);
    std::ofstream(path) << text;
    EXPECT(std::ifstream(path).good());
}

const std::string V2 = "31 23 0:28 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string V1 =
    "20 23 0:27 / /other rw - cgroup cgroup rw,memory\n"
    "32 31 0:29 / /cg\\040v1 rw,relatime - cgroup cgroup rw,cpu,cpuacct\n";

std::string process(const std::string& cgroup, const std::string& mountinfo) {
    std::string root = folder_of_its_own();
    write(root + "/proc/self/cgroup", cgroup);
    write(root + "/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/root rw\n" + mountinfo);
    return root;
}

void no_quota() {
    EXPECT(dsf::processors_allowed(folder_of_its_own()) == 0);    // no /proc at all
    EXPECT(dsf::processors_allowed(process("0::/\n", V2)) == 0);  // no cpu.max: the root group has none
    const std::string root = process("0::/a\n", V2);
    write(root + "/cg/a/cpu.max", "max 100000\n");
    EXPECT(dsf::processors_allowed(root) == 0);
    write(root + "/cg/a/cpu.max", "nonsense\n");
    EXPECT(dsf::processors_allowed(root) == 0);
}

// The least of the group's own and those around it.
void version_2() {
    const std::string root = process("0::/a/b/c\n", V2);
    write(root + "/cg/a/b/c/cpu.max", "max 100000\n");
    write(root + "/cg/a/b/cpu.max", "350000 100000\n");
    EXPECT(dsf::processors_allowed(root) == 3.5);
    write(root + "/cg/a/cpu.max", "50000 25000\n");
    EXPECT(dsf::processors_allowed(root) == 2);
    write(root + "/cg/a/b/c/cpu.max", "5000 10000\n");
    EXPECT(dsf::processors_allowed(root) == 0.5);
    write(root + "/cg/a/other/cpu.max", "1000 10000\n");  // a neighbour's
    EXPECT(dsf::processors_allowed(root) == 0.5);
}

void version_1() {
    const std::string root = process("4:memory:/m\n3:cpu,cpuacct:/a/b\n0::/\n", V1);
    write(root + "/cg v1/a/b/cpu.cfs_quota_us", "-1\n");
    write(root + "/cg v1/a/b/cpu.cfs_period_us", "100000\n");
    EXPECT(dsf::processors_allowed(root) == 0);
    write(root + "/cg v1/a/cpu.cfs_quota_us", "150000\n");
    write(root + "/cg v1/a/cpu.cfs_period_us", "100000\n");
    EXPECT(dsf::processors_allowed(root) == 1.5);
}

// A container: its group by the name that it has outside, and only that group is mounted.
void a_group_that_is_mounted_alone() {
    const std::string root = process("0::/pods/x/inner\n", "31 23 0:28 /pods/x /cg rw - cgroup2 cgroup2 rw\n");
    write(root + "/cg/cpu.max", "200000 100000\n");
    write(root + "/cg/inner/cpu.max", "300000 100000\n");
    EXPECT(dsf::processors_allowed(root) == 2);
    const std::string outside = process("0::/../x\n", "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
    write(outside + "/cg/cpu.max", "200000 100000\n");
    EXPECT(dsf::processors_allowed(outside) == 2);
}

void both_versions() {
    const std::string root = process("3:cpu:/a\n0::/b\n", V1 + V2);
    write(root + "/cg v1/a/cpu.cfs_quota_us", "400000\n");
    write(root + "/cg v1/a/cpu.cfs_period_us", "100000\n");
    write(root + "/cg/b/cpu.max", "300000 100000\n");
    EXPECT(dsf::processors_allowed(root) == 3);
}

}  // namespace

int main() {
    no_quota();
    version_2();
    version_1();
    a_group_that_is_mounted_alone();
    both_versions();
    EXPECT(dsf::processors() >= 1);
    for (const std::string& folder : folders) std::filesystem::remove_all(folder);
}
