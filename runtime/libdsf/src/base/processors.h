// How many processors this process may keep busy.
#pragma once

#include <string>

namespace dsf {

// Those of its affinity mask, or fewer where a cgroup gives it less time than they have: rounded up, at least 1.
int processors();

// Processors' worth of time that the cgroups of this process allow, or 0 if they set no bound: the least of its own and all
// those around it, of version 1 and 2. root: "", or where a test keeps its /proc and the file systems that it names.
double processors_allowed(const std::string& root);

}  // namespace dsf
