// Errors inside libdsf: thrown as Error, turned into a dsf_error at the C border (api.cpp) and nowhere else.
#pragma once

#include <string>

#include "dsf.h"

namespace dsf {

// where: file, node or weight; found, expected: half sentences; what_to_do: the remedy. what_to_do may be empty.
struct Error {
    dsf_status status;
    std::string where, found, expected, what_to_do;
};

// Throws: the file, or what was asked of it, is wrong.
[[noreturn]] void model_error(std::string where, std::string found, std::string expected, std::string what_to_do = "");

// What to do about a file that asks for more than a limit of dsf_limits allows.
std::string raise_limit(const char* name);

// Throws: the file is right, but this machine cannot do what was asked.
[[noreturn]] void backend_error(std::string where, std::string found, std::string expected,
                                std::string what_to_do = "");

}  // namespace dsf
