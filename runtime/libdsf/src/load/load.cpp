// load: a file, or bytes in memory, into memory that nobody else can change while it is checked and used
#include "load.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/caps.h"
#include "base/memory.h"

namespace dsf {
namespace {

class File {
public:
    explicit File(const char* path) : descriptor(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    ~File() {
        if (descriptor >= 0) ::close(descriptor);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    const int descriptor;
};

void check_length(const std::string& where, uint64_t length, const dsf_limits* limits) {
    uint64_t limit = limits && limits->file_bytes ? limits->file_bytes : DEFAULT_FILE_BYTES;
    if (length == 0) model_error(where, "it is empty", "a .dsf file");
    if (length > limit)
        model_error(where, "it has " + std::to_string(length) + " bytes", "at most " + std::to_string(limit),
                    raise_limit("file_bytes"));
}

// Reads up to length bytes; fewer only at the end of the file.
size_t read_up_to(const File& file, const std::string& where, uint8_t* bytes, size_t length) {
    size_t done = 0;
    while (done < length) {
        ssize_t count = ::read(file.descriptor, bytes + done, length - done);
        if (count == 0) break;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) backend_error(where, std::string("cannot be read: ") + std::strerror(errno), "a readable file");
        done += static_cast<size_t>(count);
    }
    return done;
}

std::shared_ptr<const Model> load(const std::string& where, std::shared_ptr<const uint8_t> bytes, uint64_t length,
                                  const dsf_limits* limits) {
    Frame frame = check_frame(where, bytes.get(), length);
    check_graph(where, frame.graph, frame.graph_length);
    auto model = std::make_shared<Model>();
    model->bytes = std::move(bytes);
    model->length = length;
    model->path = where;
    const auto limit = [&](uint64_t dsf_limits::* field, uint64_t absent) {
        return limits && limits->*field ? limits->*field : absent;
    };
    model->activation_limit = limit(&dsf_limits::activation_bytes, DEFAULT_ACTIVATION_BYTES);
    model->plan_limit = limit(&dsf_limits::plan_bytes, DEFAULT_PLAN_BYTES);
    model->work_limit = limit(&dsf_limits::multiply_adds, DEFAULT_MULTIPLY_ADDS);
    model->prepared.limit(where, limit(&dsf_limits::weight_bytes, DEFAULT_WEIGHT_BYTES));
    check_model(*model, frame);
    return model;
}

}  // namespace

std::shared_ptr<const Model> load_file(const char* path, const dsf_limits* limits) {
    std::string where = path;
    File file(path);
    if (file.descriptor < 0)
        backend_error(where, std::string("cannot be opened: ") + std::strerror(errno), "a readable .dsf file",
                      "check the path");
    struct stat status;
    if (::fstat(file.descriptor, &status) != 0)
        backend_error(where, std::string("cannot be read: ") + std::strerror(errno), "a readable file");
    if (S_ISDIR(status.st_mode)) model_error(where, "it is a directory", "a .dsf file");
    if (!S_ISREG(status.st_mode))
        model_error(where, "it is no regular file", "a .dsf file", "copy its bytes to a file first");
    uint64_t length = static_cast<uint64_t>(status.st_size);
    check_length(where, length, limits);

    uint8_t prefix[PREFIX_BYTES];
    size_t begun = read_up_to(file, where, prefix, length < PREFIX_BYTES ? static_cast<size_t>(length) : PREFIX_BYTES);
    check_prefix(where, prefix, begun < PREFIX_BYTES ? begun : length);
    std::shared_ptr<uint8_t> bytes = allocate(length, where);
    std::memcpy(bytes.get(), prefix, PREFIX_BYTES);
    size_t rest = static_cast<size_t>(length) - PREFIX_BYTES;
    uint8_t more;
    if (read_up_to(file, where, bytes.get() + PREFIX_BYTES, rest) != rest || read_up_to(file, where, &more, 1) != 0)
        model_error(where, "its length changed while it was read", "a complete file", "wait until it is written");
    return load(where, std::move(bytes), length, limits);
}

std::shared_ptr<const Model> load_memory(const void* bytes, size_t length, const dsf_limits* limits) {
    std::string where = "model in memory";
    check_length(where, length, limits);
    check_prefix(where, static_cast<const uint8_t*>(bytes), length);
    std::shared_ptr<uint8_t> copy = allocate(length, where);
    std::memcpy(copy.get(), bytes, length);
    return load(where, std::move(copy), length, limits);
}

std::shared_ptr<const Model> borrow_memory(const void* bytes, size_t length, const dsf_limits* limits) {
    if (reinterpret_cast<uintptr_t>(bytes) % alignof(std::max_align_t) != 0) return load_memory(bytes, length, limits);
    std::string where = "model in memory";
    check_length(where, length, limits);
    check_prefix(where, static_cast<const uint8_t*>(bytes), length);
    std::shared_ptr<const uint8_t> lent(std::shared_ptr<const uint8_t>(), static_cast<const uint8_t*>(bytes));
    return load(where, std::move(lent), length, limits);
}

}  // namespace dsf
