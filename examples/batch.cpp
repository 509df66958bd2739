// batch: runs a model on a whole batch at once, within limits and a time of its own. In C++17, with what libdsf hands out
// destroyed by itself, and its errors as exceptions.
//
// usage: batch MODEL.dsf COUNT [SECONDS]     image i of the batch is filled with (i + 1) / COUNT
#include <dsf.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Error : std::runtime_error {
    explicit Error(const dsf_error& error) : std::runtime_error(error.message), status(error.status) {}
    dsf_status status;
};

// Calls a function of dsf.h that takes a dsf_error last.
template <class Function, class... Arguments> void call(Function function, Arguments... arguments) {
    dsf_error error = DSF_INIT(dsf_error);
    if (function(arguments..., &error) != DSF_OK) throw Error(error);
}

struct Destroy {
    void operator()(dsf_model* model) const { dsf_model_destroy(model); }
    void operator()(dsf_session* session) const { dsf_session_destroy(session); }
};

class Model {
public:
    Model(const char* path, const dsf_limits& limits) {
        dsf_model* opened = nullptr;
        call(dsf_model_open, path, &limits, &opened);
        model_.reset(opened);
    }

    dsf_model* get() const { return model_.get(); }

    // The only input's shape for a batch of this size: a dimension -k of the file is k times that.
    std::vector<int64_t> input_shape(int64_t batch) const {
        dsf_value_info info = DSF_INIT(dsf_value_info);
        call(dsf_model_input, model_.get(), 0, &info);
        if (dsf_model_input_count(get()) != 1 || info.dtype != DSF_FLOAT32)
            throw std::runtime_error("this program is for models with one input of float32");
        std::vector<int64_t> shape(info.shape, info.shape + info.rank);
        for (int64_t& size : shape) size = size < 0 ? -size * batch : size;
        return shape;
    }

    std::string label(int32_t index) const {
        const char* found = dsf_model_label(get(), 0, index);
        return found ? found : "class " + std::to_string(index);
    }

private:
    std::unique_ptr<dsf_model, Destroy> model_;
};

class Session {
public:
    Session(const Model& model, int32_t threads) {
        dsf_session_options options = DSF_INIT(dsf_session_options);
        options.threads = threads;
        dsf_session* created = nullptr;
        call(dsf_session_create, model.get(), &options, &created);
        session_.reset(created);
    }

    // The first output, in memory of the session that is valid until its next run.
    dsf_tensor run(std::vector<float>& values, const std::vector<int64_t>& shape) {
        dsf_tensor input = DSF_INIT(dsf_tensor), output = DSF_INIT(dsf_tensor);
        input.dtype = DSF_FLOAT32;
        input.rank = static_cast<int32_t>(shape.size());
        std::copy(shape.begin(), shape.end(), input.shape);
        input.data = values.data();
        input.bytes = values.size() * sizeof(float);
        call(dsf_session_run, session_.get(), &input, 1, &output, 1);
        if (output.dtype != DSF_FLOAT32) throw std::runtime_error("this program is for outputs of float32");
        return output;
    }

    void cancel() { dsf_session_cancel(session_.get()); }  // from any thread

private:
    std::unique_ptr<dsf_session, Destroy> session_;
};

// While it lives, a run that takes longer than so many seconds is cancelled.
class Deadline {
public:
    Deadline(Session& session, double seconds)
        : watch_([this, &session, seconds] {
              std::unique_lock<std::mutex> lock(mutex_);
              const std::chrono::duration<double> time(seconds);
              if (!over_.wait_for(lock, time, [this] { return done_; })) session.cancel();
          }) {}

    ~Deadline() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            done_ = true;
        }
        over_.notify_one();
        watch_.join();
    }

private:
    std::mutex mutex_;
    std::condition_variable over_;
    bool done_ = false;
    std::thread watch_;  // the last: it begins when all else is there
};

void run(const char* path, int64_t batch, double seconds) {
    dsf_limits limits = DSF_INIT(dsf_limits);  // what is 0 keeps its default
    limits.file_bytes = uint64_t{1} << 30;
    limits.multiply_adds = uint64_t{1} << 40;  // for each image; libdsf's own limit is twice that
    const Model model(path, limits);
    Session session(model, 2);

    const std::vector<int64_t> shape = model.input_shape(batch);
    size_t count = 1;
    for (int64_t size : shape) count *= static_cast<size_t>(size);
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
        const size_t image = i * static_cast<size_t>(batch) / count;
        values[i] = static_cast<float>(image + 1) / static_cast<float>(batch);
    }

    const Deadline deadline(session, seconds);
    const dsf_tensor output = session.run(values, shape);
    const float* scores = static_cast<const float*>(output.data);
    const size_t classes = static_cast<size_t>(output.shape[output.rank - 1]);
    for (int64_t image = 0; image < batch; ++image, scores += classes) {
        const float* best = std::max_element(scores, scores + classes);
        const std::string label = model.label(static_cast<int32_t>(best - scores));
        std::printf("image %d: %s (%.6g)\n", static_cast<int>(image), label.c_str(), static_cast<double>(*best));
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3 || count > 4 || std::atoll(arguments[2]) < 1) {
        std::fprintf(stderr, "usage: batch MODEL.dsf COUNT [SECONDS]\n");
        return 64;
    }
    try {
        run(arguments[1], std::atoll(arguments[2]), count == 4 ? std::atof(arguments[3]) : 60);
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "batch: %s\n", error.status == DSF_CANCELLED ? "it took too long" : error.what());
        return error.status;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "batch: %s\n", error.what());
        return 1;
    }
}
