// processors: the affinity mask, and the quota of CPU time of the cgroups, which a container is held to
//
// /proc/self/cgroup says in which groups the process is, /proc/self/mountinfo where their files are. A quota holds for
// everything below the group that has it, so those from the process's own up to the one that is mounted all count.
//
//   version 2   cpu.max: "QUOTA PERIOD" in microseconds, "max" for no bound
//   version 1   cpu.cfs_quota_us, -1 for no bound, and cpu.cfs_period_us
#include "processors.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sched.h>
#include <sstream>
#include <thread>
#include <vector>

#include "caps.h"

namespace dsf {
namespace {

std::string read(const std::string& path) {
    std::string text;
    std::FILE* file = std::fopen(path.c_str(), "re");
    if (!file) return text;
    char part[4096];
    for (size_t count; (count = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, count);
    std::fclose(file);
    return text;
}

std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts;
    std::istringstream rest(text);
    for (std::string part; std::getline(rest, part, at);) parts.push_back(part);
    return parts;
}

bool contains(const std::vector<std::string>& parts, const char* word) {
    return std::find(parts.begin(), parts.end(), word) != parts.end();
}

// A mounted tree of cgroups that may bound CPU time.
struct Tree {
    bool version_2;
    std::string root;   // the group that is mounted
    std::string place;  // where
};

// In mountinfo a blank in a path is \040, a backslash \134.
std::string unescaped(const std::string& path) {
    std::string text;
    for (size_t i = 0; i < path.size(); ++i) {
        if (path[i] != '\\' || i + 3 >= path.size()) {
            text += path[i];
            continue;
        }
        text += static_cast<char>(std::strtol(path.substr(i + 1, 3).c_str(), nullptr, 8));
        i += 3;
    }
    return text;
}

// A line is: id parent device root place options [more] - type source options
std::vector<Tree> find_trees(const std::string& mountinfo) {
    std::vector<Tree> trees;
    for (const std::string& line : split(mountinfo, '\n')) {
        const size_t dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        const std::vector<std::string> mount = split(line.substr(0, dash), ' '),
                                       type = split(line.substr(dash + 3), ' ');
        if (mount.size() < 5 || type.empty()) continue;
        const bool version_2 = type[0] == "cgroup2";
        if (version_2 || (type[0] == "cgroup" && contains(split(type.back(), ','), "cpu")))
            trees.push_back({version_2, unescaped(mount[3]), unescaped(mount[4])});
    }
    return trees;
}

// The process's own group in such a tree, "" if it is in none. A line is: number:controllers:/group
std::string group_in(const Tree& tree, const std::string& cgroup) {
    for (const std::string& line : split(cgroup, '\n')) {
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (tree.version_2 ? controllers.empty() : contains(split(controllers, ','), "cpu"))
            return line.substr(second + 1);
    }
    return "";
}

double bound_of(const std::string& folder, bool version_2) {
    std::string text = version_2 ? read(folder + "/cpu.max")
                                 : read(folder + "/cpu.cfs_quota_us") + " " + read(folder + "/cpu.cfs_period_us");
    long long quota = 0, period = 0;
    if (std::sscanf(text.c_str(), "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0) return 0;
    return static_cast<double>(quota) / static_cast<double>(period);
}

}  // namespace

double processors_allowed(const std::string& root) {
    double least = 0;
    const std::string cgroup = read(root + "/proc/self/cgroup");
    for (const Tree& tree : find_trees(read(root + "/proc/self/mountinfo"))) {
        std::string group = group_in(tree, cgroup);
        const std::string above = tree.root == "/" ? "" : tree.root;
        // A container may see its group by the name that it has outside, or be mounted somewhere above it.
        if (group.compare(0, above.size(), above) == 0) group.erase(0, above.size());
        else group.clear();
        if (group.find("..") != std::string::npos) group.clear();
        for (;; group.erase(group.rfind('/'))) {
            const double bound = bound_of(root + tree.place + group, tree.version_2);
            if (bound > 0 && (least == 0 || bound < least)) least = bound;
            if (group.rfind('/') == std::string::npos) break;
        }
    }
    return least;
}

int processors() {
    cpu_set_t allowed;
    const bool known = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    const int count = known ? CPU_COUNT(&allowed) : static_cast<int>(std::thread::hardware_concurrency());
    const double time = processors_allowed("");
    const int bound = time > 0 && time < MAX_THREADS ? static_cast<int>(std::ceil(time)) : MAX_THREADS;
    return std::clamp(std::min(count, bound), 1, MAX_THREADS);
}

}  // namespace dsf
