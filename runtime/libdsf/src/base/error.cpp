// Throwing the one exception type of libdsf.
#include "error.h"

#include <utility>

namespace dsf {

void model_error(std::string where, std::string found, std::string expected, std::string what_to_do) {
    throw Error{DSF_MODEL_ERROR, std::move(where), std::move(found), std::move(expected), std::move(what_to_do)};
}

void backend_error(std::string where, std::string found, std::string expected, std::string what_to_do) {
    throw Error{DSF_BACKEND_ERROR, std::move(where), std::move(found), std::move(expected), std::move(what_to_do)};
}

std::string raise_limit(const char* name) {
    const std::string limit = name;  // dsruntime/errors.py says the same of its backends
    return "raise the limit " + limit + " if you trust the file: --limit " + limit +
           "=NUMBER for a command, limits=Limits(" + limit + "=NUMBER) in Python, dsf_limits in C";
}

}  // namespace dsf
