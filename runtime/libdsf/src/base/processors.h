// How many processors this process may keep busy.
#pragma once

#include <string>

namespace dsf {

// Counts those of the process's affinity mask, or fewer where a cgroup gives it less time than they have. What the cgroup
// gives is rounded up, and the answer is at least 1.
int processors();

// How many processors' time the cgroups of this process allow: the least of what its own and all those around it do, of
// version 1 and 2; 0 if they set no bound. root: "", or where a test keeps its /proc and the file systems that it names.
double processors_allowed(const std::string& root);

}  // namespace dsf
