// check: what the graph says. Fills the Model, and refuses whatever the rest of the library could not trust.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/checked.h"
#include "codecs/codec.h"
#include "dsf_generated.h"
#include "base/error.h"
#include "base/caps.h"
#include "load.h"
#include "ops/op.h"

namespace dsf {
namespace {

namespace fb = schema;

std::string quoted(const std::string& name) { return "'" + name + "'"; }

// A number, or the number of entries, that must lie between two others.
std::string between(int64_t least, int64_t most) { return std::to_string(least) + " to " + std::to_string(most); }

bool one_of(const std::string& text, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(), [&](const char* word) { return text == word; });
}

class Check {
public:
    Check(Model& model, const Frame& frame) : model_(model), frame_(frame), graph_(*fb::GetModel(frame.graph)) {}

    void run() {
        head();
        metadata();
        values();
        weights();
        inputs();
        nodes();
        outputs();
        values_are_defined();
        for (int64_t batch = 2; batch <= MAX_PROVED_BATCH; ++batch) infer_types(model_, batch);
        weights_are_read();
    }

private:
    [[noreturn]] void refuse(const std::string& part, std::string found, std::string expected,
                             std::string what_to_do = "") const {
        model_error(model_.path + ": " + part, std::move(found), std::move(expected), std::move(what_to_do));
    }

    void count(const char* what, uint64_t found, uint64_t least, uint64_t most) const {
        if (found < least || found > most)
            refuse("graph", "it has " + std::to_string(found) + " " + what,
                   between(static_cast<int64_t>(least), static_cast<int64_t>(most)));
    }

    void head() {
        model_.major = frame_.major;
        model_.minor = frame_.minor;
        model_.name = graph_.name()->str();
        model_.producer = graph_.producer()->str();
        if (graph_.mode()->str() != "float")
            refuse("graph", "its mode is " + quoted(graph_.mode()->str()),
                   "'float', the only one that libdsf " DSF_VERSION " runs", "install a newer dscompress");
        count("values", graph_.values()->size(), 1, MAX_VALUES);
        count("nodes", graph_.nodes()->size(), 0, MAX_NODES);
        count("weights", graph_.weights()->size(), 0, MAX_VALUES);
        count("inputs", graph_.inputs()->size(), 1, MAX_ENDS);
        count("outputs", graph_.outputs()->size(), 1, MAX_ENDS);
    }

    void metadata() {
        if (!graph_.metadata()) return;
        count("metadata entries", graph_.metadata()->size(), 0, MAX_METADATA);
        for (const fb::KeyValue* entry : *graph_.metadata()) {
            std::string key = entry->key()->str();
            if (!model_.metadata.empty() && key <= model_.metadata.back().first)
                refuse("metadata", quoted(key) + " follows " + quoted(model_.metadata.back().first),
                       "each key once, in order");
            model_.metadata.emplace_back(std::move(key), entry->value()->str());
        }
    }

    void values() {
        std::vector<std::string_view> names;
        for (const fb::Value* entry : *graph_.values()) {
            Value value;
            value.name = entry->name()->str();
            names.push_back(entry->name()->string_view());
            std::string part = "value " + quoted(value.name);
            constexpr int64_t first = static_cast<int64_t>(fb::Dtype::MIN), last = static_cast<int64_t>(fb::Dtype::MAX);
            int64_t dtype = static_cast<int64_t>(entry->dtype());
            if (dtype < first || dtype > last)
                refuse(part, "its dtype is " + std::to_string(dtype), between(first, last));
            value.type.dtype = static_cast<Dtype>(dtype);
            if (entry->shape()->size() > MAX_RANK)
                refuse(part, "its rank is " + std::to_string(entry->shape()->size()), between(0, MAX_RANK));
            value.type.shape.rank = static_cast<int>(entry->shape()->size());
            for (int axis = 0; axis < value.type.shape.rank; ++axis) {
                int64_t dim = entry->shape()->Get(static_cast<uint32_t>(axis));
                if (dim == 0 || dim > MAX_DIM || dim < -MAX_DIM)
                    refuse(part, "it has the dimension " + std::to_string(dim),
                           between(1, MAX_DIM) + ", or minus that for multiples of N");
                value.type.shape[axis] = dim;
            }
            model_.values.push_back(std::move(value));
        }
        read_.resize(model_.values.size());
        std::sort(names.begin(), names.end());
        auto twice = std::adjacent_find(names.begin(), names.end());
        if (twice != names.end())
            refuse("graph", "two values are named " + quoted(std::string(*twice)), "unique names");
        if (names.front().empty()) refuse("graph", "a value has no name", "unique names");
    }

    // The value at an index from the file that something defines here.
    Value& define(const std::string& part, int64_t index) {
        if (index < 0 || index >= static_cast<int64_t>(model_.values.size()))
            refuse(part, "it defines value " + std::to_string(index),
                   between(0, static_cast<int64_t>(model_.values.size()) - 1));
        Value& value = model_.values[static_cast<size_t>(index)];
        if (defined(value)) refuse(part, "it defines value " + quoted(value.name) + " again", "one definition");
        return value;
    }

    static bool defined(const Value& value) { return value.weight >= 0 || value.input >= 0 || value.node >= 0; }

    void weights() {
        uint64_t end = 0;  // of the weight before
        for (const fb::Weight* entry : *graph_.weights()) {
            Weight weight;
            weight.source = entry->source()->str();
            std::string part = "weight " + quoted(weight.source);
            Value& value = define(part, entry->value());
            value.weight = static_cast<int>(model_.weights.size());
            weight.value = static_cast<int>(entry->value());
            std::string name = entry->codec()->str();
            cover(part, entry->offset(), entry->length(), &end);
            std::vector<int> order;
            if (entry->order()) {
                if (entry->order()->size() > MAX_RANK || entry->order()->size() == 0)
                    refuse(part, "its order has " + std::to_string(entry->order()->size()) + " axes",
                           between(1, MAX_RANK) + ", or no order");
                order.assign(entry->order()->begin(), entry->order()->end());
            }
            weight.type = value.type;
            std::string over = over_caps(weight.type);
            if (!over.empty()) refuse(part, "it has " + over, "dimensions of " + between(1, MAX_DIM));
            const Codec* codec = find_codec(name);
            if (!codec)
                refuse(part, "its codec is " + quoted(name), codec_names() + ", which libdsf " DSF_VERSION " reads",
                       "install a newer dscompress");
            weight.form = codec->open({*codec,
                                       model_.path + ": weight " + quoted(value.name) + " " + value.type.shape.text(),
                                       weight.type,
                                       {model_.bytes, frame_.data + entry->offset()},
                                       entry->length(),
                                       std::move(order),
                                       shift(part, *codec, entry->shift())});
            model_.weights.push_back(std::move(weight));
        }
        if (end != frame_.data_length)
            refuse("data section", "its weights end at " + std::to_string(end),
                   std::to_string(frame_.data_length) + ", its length", "the file is damaged: export it again");
    }

    // A weight starts at the first multiple of 64 after the one before; the bytes between are zero.
    void cover(const std::string& part, uint64_t offset, uint64_t length, uint64_t* end) {
        const char* damaged = "the file is damaged: export it again";
        uint64_t begin = 0, past = 0;
        if (!checked_round_up(*end, &begin) || offset != begin)
            refuse(part, "its data start at " + std::to_string(offset), std::to_string(begin), damaged);
        if (!checked_add(offset, length, &past) || past > frame_.data_length)
            refuse(part, "its data of " + std::to_string(length) + " bytes pass the end of the file",
                   "at most " + std::to_string(frame_.data_length - std::min(offset, frame_.data_length)), damaged);
        for (uint64_t i = *end; i < begin; ++i)
            if (frame_.data[i] != 0) refuse(part, "the padding before it is set", "zeros", damaged);
        *end = past;
    }

    std::optional<Shift> shift(const std::string& part, const Codec& codec, const fb::Shift* entry) {
        const bool expected = codec.parameters == CodecParameters::shift;
        if ((entry != nullptr) != expected)
            refuse(part, std::string("codec ") + codec.name + (entry ? " has" : " lacks") + " shift parameters",
                   expected ? "them" : "none");
        if (!entry) return std::nullopt;
        Shift shift{entry->bits(), entry->zero(), {entry->base()->begin(), entry->base()->end()}, {}};
        if (!entry->scale()) return shift;
        shift.scale.assign(entry->scale()->begin(), entry->scale()->end());
        if (shift.scale.empty()) refuse(part, "it has a list of no scales", "scales, or no list");
        return shift;
    }

    void inputs() {
        for (const fb::Input* entry : *graph_.inputs()) {
            Value& value = define("input " + std::to_string(model_.inputs.size()), entry->value());
            std::string part = "input " + quoted(value.name);
            value.input = static_cast<int>(model_.inputs.size());
            Input input;
            input.value = static_cast<int>(entry->value());
            input.layout = entry->layout()->str();
            if (!one_of(input.layout, {"", "NCHW"}))
                refuse(part, "its layout is " + quoted(input.layout), "'NCHW' or ''");
            if (input.layout == "NCHW" && value.type.shape.rank != 4)
                refuse(part, "its layout is NCHW and its shape " + value.type.shape.text(), "rank 4");
            if (entry->image()) input.image = image(part + ", image", value, *entry->image());
            model_.inputs.push_back(std::move(input));
        }
    }

    Image image(const std::string& part, const Value& value, const fb::Image& image) {
        if (value.type.dtype != Dtype::float32 || value.type.shape.rank != 4)
            refuse(part, "its input is " + value.type.text(), "float32 of shape (N, channels, height, width)");
        std::string color = image.color()->str(), resize = image.resize()->str(), filter = image.filter()->str();
        if (!one_of(color, {"rgb", "bgr", "gray"})) refuse(part, "color is " + quoted(color), "rgb, bgr or gray");
        if (!one_of(resize, {"none", "exact", "shorter", "letterbox"}))
            refuse(part, "resize is " + quoted(resize), "none, exact, shorter or letterbox",
                   "install a newer dscompress if this file is younger than it");
        if (!one_of(filter, {"nearest", "box", "bilinear", "bicubic", "lanczos"}))
            refuse(part, "filter is " + quoted(filter), "nearest, box, bilinear, bicubic or lanczos");
        int64_t channels = color == "gray" ? 1 : 3;
        if (value.type.shape[1] != channels)
            refuse(part, "the input has shape " + value.type.shape.text(), std::to_string(channels) + " channels");
        sides(part, "size", image.size(), resize == "none" ? 0 : resize == "shorter" ? 1 : 2);
        if ((resize == "letterbox") != (image.pad() != nullptr))
            refuse(part,
                   std::string(image.pad() ? "pad is there" : "pad is not there") + " and resize is " + quoted(resize),
                   "a colour with letterbox, and none else");
        if (image.pad() && image.pad()->size() != static_cast<uint64_t>(channels))
            refuse(part, "pad has " + std::to_string(image.pad()->size()) + " entries", std::to_string(channels));
        if (image.crop()) sides(part, "crop", image.crop(), 2);
        numbers(part, "mean", image.mean(), channels, Numbers::finite);
        numbers(part, "std", image.std(), channels, Numbers::positive);
        return {color,
                resize,
                filter,
                listed(image.size()),
                listed(image.crop()),
                listed(image.pad()),
                listed(image.mean()),
                listed(image.std())};
    }

    template <class T> static std::vector<T> listed(const flatbuffers::Vector<T>* numbers) {
        return numbers ? std::vector<T>(numbers->begin(), numbers->end()) : std::vector<T>();
    }

    void sides(const std::string& part, const char* name, const flatbuffers::Vector<int32_t>* sides, uint32_t needed) {
        uint32_t found = sides ? sides->size() : 0;
        if (found != needed)
            refuse(part, std::string(name) + " has " + std::to_string(found) + " entries", std::to_string(needed));
        for (uint32_t i = 0; i < found; ++i)
            if (sides->Get(i) < 1 || sides->Get(i) > MAX_IMAGE_SIDE)
                refuse(part, std::string(name) + " holds " + std::to_string(sides->Get(i)), between(1, MAX_IMAGE_SIDE));
    }

    enum class Numbers : uint8_t { finite, positive };

    void numbers(const std::string& part, const char* name, const flatbuffers::Vector<float>* numbers, int64_t needed,
                 Numbers kind) {
        if (numbers->size() != needed)
            refuse(part, std::string(name) + " has " + std::to_string(numbers->size()) + " entries",
                   std::to_string(needed));
        for (float number : *numbers)
            if (!std::isfinite(number) || (kind == Numbers::positive && !(number > 0)))
                refuse(part, std::string(name) + " holds " + std::to_string(number),
                       kind == Numbers::positive ? "positive numbers" : "finite numbers");
    }

    void nodes() {
        uint64_t ends = 0;
        for (const fb::Node* entry : *graph_.nodes()) {
            Node node;
            node.name = entry->name()->str();
            node.module = entry->module_()->str();
            std::string op = entry->op()->str();
            std::string part = "node " + quoted(node.name) + " (" + op + ")";
            node.op = find_op(op);
            if (!node.op)
                refuse(part, "its op is unknown", "an op that libdsf " DSF_VERSION " runs",
                       "install a newer dscompress; `dscompress ops` lists what this one runs");
            if (entry->inputs()->size() > MAX_NODE_ENDS || entry->outputs()->size() > MAX_NODE_ENDS ||
                entry->outputs()->size() == 0)
                refuse(part,
                       "it has " + std::to_string(entry->inputs()->size()) + " inputs and " +
                           std::to_string(entry->outputs()->size()) + " outputs",
                       "at most " + std::to_string(MAX_NODE_ENDS) + ", and one output at least");
            ends += entry->inputs()->size() + entry->outputs()->size();
            if (ends > MAX_ALL_ENDS)
                refuse(part, "it brings the inputs and outputs of all nodes to " + std::to_string(ends),
                       between(0, MAX_ALL_ENDS));
            for (int input : *entry->inputs()) node_input(part, node, input);
            for (int output : *entry->outputs()) {
                define(part, output).node = static_cast<int>(model_.nodes.size());
                node.outputs.push_back(output);
            }
            if (entry->attributes()) attributes(part, node, *entry->attributes());
            model_.nodes.push_back(std::move(node));
        }
    }

    void node_input(const std::string& part, Node& node, int input) {
        if (input < -1 || input >= static_cast<int>(model_.values.size()))
            refuse(part, "it reads value " + std::to_string(input),
                   between(-1, static_cast<int64_t>(model_.values.size()) - 1));
        if (input >= 0) {
            const Value& value = model_.values[static_cast<size_t>(input)];
            if (!defined(value))
                refuse(part, "it reads " + quoted(value.name) + ", which nothing before it defines",
                       "nodes in topological order");
            read_[static_cast<size_t>(input)] = true;
        }
        node.inputs.push_back(input);
    }

    void attributes(const std::string& part, Node& node,
                    const flatbuffers::Vector<flatbuffers::Offset<fb::Attribute>>& entries) {
        if (entries.size() > MAX_ATTRIBUTES)
            refuse(part, "it has " + std::to_string(entries.size()) + " attributes", between(0, MAX_ATTRIBUTES));
        for (const fb::Attribute* entry : entries) {
            Attribute attribute;
            attribute.name = entry->name()->str();
            for (const Attribute& other : node.attributes)
                if (other.name == attribute.name)
                    refuse(part, "attribute " + quoted(attribute.name) + " is there twice", "each once");
            fill(part + ", attribute " + quoted(attribute.name), attribute, *entry);
            node.attributes.push_back(std::move(attribute));
        }
    }

    // Only the field of the kind may be present. A writer leaves out numbers that are 0.
    void fill(const std::string& part, Attribute& attribute, const fb::Attribute& entry) {
        constexpr int64_t first = static_cast<int64_t>(fb::AttributeKind::MIN);
        constexpr int64_t last = static_cast<int64_t>(fb::AttributeKind::MAX);
        int64_t kind = static_cast<int64_t>(entry.kind());
        if (kind < first || kind > last) refuse(part, "its kind is " + std::to_string(kind), between(first, last));
        attribute.kind = static_cast<Attribute::Kind>(kind);
        struct FieldOfKind {
            Attribute::Kind kind;
            flatbuffers::voffset_t field;
            bool needed;
        };
        const FieldOfKind fields[] = {
            {Attribute::Kind::integer, fb::Attribute::VT_I, false},
            {Attribute::Kind::real, fb::Attribute::VT_F, false},
            {Attribute::Kind::text, fb::Attribute::VT_S, true},
            {Attribute::Kind::integers, fb::Attribute::VT_INTS, true},
            {Attribute::Kind::reals, fb::Attribute::VT_FLOATS, true},
        };
        const auto* table = reinterpret_cast<const flatbuffers::Table*>(&entry);
        for (const FieldOfKind& each : fields) {
            bool present = table->CheckField(each.field);
            if (present && each.kind != attribute.kind)
                refuse(part, "it holds a field of another kind", "only the field of its kind");
            if (!present && each.kind == attribute.kind && each.needed)
                refuse(part, "it lacks the field of its kind", "that field");
        }
        attribute.i = entry.i();
        attribute.f = entry.f();
        if (entry.s()) attribute.s = entry.s()->str();
        uint64_t entries = entry.ints() ? entry.ints()->size() : entry.floats() ? entry.floats()->size() : 0;
        if (entries > MAX_LIST) refuse(part, "it has " + std::to_string(entries) + " entries", between(0, MAX_LIST));
        if (entry.ints()) attribute.ints.assign(entry.ints()->begin(), entry.ints()->end());
        if (entry.floats()) attribute.floats.assign(entry.floats()->begin(), entry.floats()->end());
    }

    void outputs() {
        std::vector<bool> seen(model_.values.size());
        for (const fb::Output* entry : *graph_.outputs()) {
            std::string part = "output " + std::to_string(model_.outputs.size());
            if (entry->value() >= model_.values.size() || !defined(model_.values[entry->value()]))
                refuse(part, "it is value " + std::to_string(entry->value()) + ", which nothing defines",
                       "a value of the graph");
            const Value& value = model_.values[entry->value()];
            part = "output " + quoted(value.name);
            if (seen[entry->value()]) refuse(part, "it is there twice", "each output once");
            seen[entry->value()] = read_[entry->value()] = true;
            Output output;
            output.value = static_cast<int>(entry->value());
            output.meaning = entry->meaning()->str();
            if (!one_of(output.meaning, {"", "logits", "probabilities", "embedding"}))
                refuse(part, "its meaning is " + quoted(output.meaning), "logits, probabilities, embedding or ''");
            if (output.meaning == "logits" && made_by_sigmoid(output.value)) output.meaning = "probabilities";
            if (entry->labels()) {
                int64_t last = value.type.shape.rank == 0 ? 0 : value.type.shape[value.type.shape.rank - 1];
                if (entry->labels()->size() != last)
                    refuse(part,
                           "it has " + std::to_string(entry->labels()->size()) + " labels and shape " +
                               value.type.shape.text(),
                           "one label for each entry of the last dimension");
                for (const flatbuffers::String* label : *entry->labels()) output.labels.push_back(label->str());
            }
            model_.outputs.push_back(std::move(output));
        }
    }

    // Exporters of dscompress 0.1 called every output with labels logits. What a sigmoid made is no logits: a softmax of it
    // would be nobody's probabilities. Operators that only move numbers are passed over.
    bool made_by_sigmoid(int value) const {
        while (value >= 0 && model_.values[static_cast<size_t>(value)].node >= 0) {
            const Node& node = model_.nodes[static_cast<size_t>(model_.values[static_cast<size_t>(value)].node)];
            if (!node.op->moves) return std::string_view(node.op->name) == "sigmoid";
            value = node.inputs.empty() ? -1 : node.inputs[0];
        }
        return false;
    }

    void values_are_defined() {
        for (const Value& value : model_.values)
            if (!defined(value)) refuse("value " + quoted(value.name), "nothing defines it", "one definition");
    }

    void weights_are_read() {
        for (const Weight& weight : model_.weights)
            if (!read_[static_cast<size_t>(weight.value)])
                refuse("weight " + quoted(weight.source), "nothing reads it", "a node that does");
    }

    Model& model_;
    const Frame& frame_;
    const fb::Model& graph_;
    std::vector<bool> read_;  // by value
};

}  // namespace

void check_model(Model& model, const Frame& frame) { Check(model, frame).run(); }

}  // namespace dsf
