// graph: the FlatBuffer is whole, and every table, vector and string in it is referred to once
//
// A Verifier alone does not bound the work: a small file whose offsets share one large child makes it visit that child
// again and again. So this walk comes first. It claims the bytes of each object before it goes on to the object's
// children, and refuses an object of which a byte is claimed already: it visits each byte once at most. Only vtables
// may be shared, as every writer does. Strings are UTF-8 without zeros, so that C and Python read the same text, and
// without the controls that a terminal obeys; the value of a metadata entry may have tabs and several lines.
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "dsf_generated.h"
#include "base/error.h"
#include "base/caps.h"
#include "load.h"
#include "base/text.h"

namespace dsf {
namespace {

namespace fb = schema;

struct TableFields;

// text: a string that may have tabs and line feeds.
enum class FieldKind : uint8_t { string, strings, text, table, tables, scalars };

struct Field {
    uint16_t entry;  // where the vtable holds its place in the table
    FieldKind kind;
    uint8_t size;              // scalars: bytes of one
    const TableFields* table;  // table, tables
};

// The fields of a table that lead to other objects.
struct TableFields {
    const char* name;
    std::vector<Field> fields;
};

// clang-format off
const TableFields ATTRIBUTE = {"Attribute", {
    {fb::Attribute::VT_NAME, FieldKind::string, 0, nullptr},
    {fb::Attribute::VT_S, FieldKind::string, 0, nullptr},
    {fb::Attribute::VT_INTS, FieldKind::scalars, 8, nullptr},
    {fb::Attribute::VT_FLOATS, FieldKind::scalars, 4, nullptr},
}};
const TableFields VALUE = {"Value", {
    {fb::Value::VT_NAME, FieldKind::string, 0, nullptr},
    {fb::Value::VT_SHAPE, FieldKind::scalars, 8, nullptr},
}};
const TableFields NODE = {"Node", {
    {fb::Node::VT_OP, FieldKind::string, 0, nullptr},
    {fb::Node::VT_NAME, FieldKind::string, 0, nullptr},
    {fb::Node::VT_MODULE_, FieldKind::string, 0, nullptr},
    {fb::Node::VT_INPUTS, FieldKind::scalars, 4, nullptr},
    {fb::Node::VT_OUTPUTS, FieldKind::scalars, 4, nullptr},
    {fb::Node::VT_ATTRIBUTES, FieldKind::tables, 0, &ATTRIBUTE},
}};
const TableFields SHIFT = {"Shift", {
    {fb::Shift::VT_BASE, FieldKind::scalars, 1, nullptr},
    {fb::Shift::VT_SCALE, FieldKind::scalars, 4, nullptr},
}};
const TableFields WEIGHT = {"Weight", {
    {fb::Weight::VT_CODEC, FieldKind::string, 0, nullptr},
    {fb::Weight::VT_SOURCE, FieldKind::string, 0, nullptr},
    {fb::Weight::VT_NOTE, FieldKind::string, 0, nullptr},
    {fb::Weight::VT_ORDER, FieldKind::scalars, 1, nullptr},
    {fb::Weight::VT_SHIFT, FieldKind::table, 0, &SHIFT},
}};
const TableFields IMAGE = {"Image", {
    {fb::Image::VT_COLOR, FieldKind::string, 0, nullptr},
    {fb::Image::VT_RESIZE, FieldKind::string, 0, nullptr},
    {fb::Image::VT_SIZE, FieldKind::scalars, 4, nullptr},
    {fb::Image::VT_FILTER, FieldKind::string, 0, nullptr},
    {fb::Image::VT_CROP, FieldKind::scalars, 4, nullptr},
    {fb::Image::VT_MEAN, FieldKind::scalars, 4, nullptr},
    {fb::Image::VT_STD, FieldKind::scalars, 4, nullptr},
    {fb::Image::VT_PAD, FieldKind::scalars, 1, nullptr},
}};
const TableFields INPUT = {"Input", {
    {fb::Input::VT_LAYOUT, FieldKind::string, 0, nullptr},
    {fb::Input::VT_IMAGE, FieldKind::table, 0, &IMAGE},
}};
const TableFields OUTPUT = {"Output", {
    {fb::Output::VT_MEANING, FieldKind::string, 0, nullptr},
    {fb::Output::VT_LABELS, FieldKind::strings, 0, nullptr},
}};
const TableFields KEY_VALUE = {"KeyValue", {
    {fb::KeyValue::VT_KEY, FieldKind::string, 0, nullptr},
    {fb::KeyValue::VT_VALUE, FieldKind::text, 0, nullptr},
}};
const TableFields MODEL = {"Model", {
    {fb::Model::VT_NAME, FieldKind::string, 0, nullptr},
    {fb::Model::VT_PRODUCER, FieldKind::string, 0, nullptr},
    {fb::Model::VT_MODE, FieldKind::string, 0, nullptr},
    {fb::Model::VT_VALUES, FieldKind::tables, 0, &VALUE},
    {fb::Model::VT_NODES, FieldKind::tables, 0, &NODE},
    {fb::Model::VT_WEIGHTS, FieldKind::tables, 0, &WEIGHT},
    {fb::Model::VT_INPUTS, FieldKind::tables, 0, &INPUT},
    {fb::Model::VT_OUTPUTS, FieldKind::tables, 0, &OUTPUT},
    {fb::Model::VT_METADATA, FieldKind::tables, 0, &KEY_VALUE},
}};
// clang-format on

class Walk {
public:
    Walk(const std::string& where, const uint8_t* graph, uint64_t length)
        : where_(where + ": graph"), graph_(graph), length_(length), claimed_(length / 4 + 1) {}

    void root() {
        if (length_ < 8) refuse("it ends", 0);
        table(number<uint32_t>(0), MODEL);
    }

private:
    [[noreturn]] void refuse(const char* found, uint64_t at, const char* expected = "a whole FlatBuffer",
                             const char* what_to_do = "the file is damaged: export it again") const {
        model_error(where_, std::string(found) + " at byte " + std::to_string(at), expected, what_to_do);
    }

    template <class T> T number(uint64_t at) const {
        T value;
        std::memcpy(&value, graph_ + at, sizeof value);
        return value;
    }

    // Bytes at..at+size belong to one object. Objects start at multiples of 4, so that whole words can be claimed.
    void claim(uint64_t at, uint64_t size) {
        uint64_t end = 0;
        if (at % 4 != 0) refuse("an object is not aligned", at);
        if (!checked_add(at, size, &end) || end > length_) refuse("an object passes the end", at);
        for (uint64_t word = at / 4; word < (end + 3) / 4; ++word) {
            if (claimed_[word]) refuse("an object shares bytes with another", at);
            claimed_[word] = true;
        }
    }

    // Where the offset at `at` leads: 4 bytes there are inside.
    uint64_t follow(uint64_t at) const {
        uint64_t target = at + number<uint32_t>(at);
        if (target + 4 > length_ || target == at) refuse("an offset leads nowhere", at);
        return target;
    }

    uint32_t vector(uint64_t at, uint64_t size) {
        uint32_t count = number<uint32_t>(at);
        uint64_t bytes = 0;
        if (!checked_mul(count, size, &bytes) || !checked_add(bytes, 4, &bytes)) refuse("a vector is too long", at);
        if ((at + 4) % size != 0) refuse("a vector's numbers are not aligned", at);  // the Verifier overlooks this
        claim(at, bytes);
        return count;
    }

    // kind: string or text.
    void string(uint64_t at, FieldKind kind = FieldKind::string) {
        uint64_t size = uint64_t{4} + number<uint32_t>(at);
        if (size - 4 > MAX_STRING_BYTES) refuse("a string is too long", at);
        claim(at, size + 1);
        const uint8_t* text = graph_ + at + 4;
        size_t left = static_cast<size_t>(size - 4);
        if (text[left] != 0) refuse("a string has no end", at);
        while (left > 0) {
            size_t length = *text == 0 ? 0 : utf8_length(text, left);
            if (length == 0) refuse("a string is not UTF-8 text", at);
            if (is_control(text, length) && !(kind == FieldKind::text && (*text == '\t' || *text == '\n')))
                refuse("a string holds a control character", at, "text that a terminal can show",
                       "the file was not made by dscompress, or is damaged");
            text += length;
            left -= length;
        }
    }

    void table(uint64_t at, const TableFields& known) {
        if (at % 4 != 0 || at + 4 > length_) refuse("a table is misplaced", at);
        int64_t vtable = static_cast<int64_t>(at) - number<int32_t>(at);
        if (vtable < 0 || vtable % 2 != 0 || static_cast<uint64_t>(vtable) + 4 > length_)
            refuse("a table's vtable is misplaced", at);
        uint64_t fields = static_cast<uint64_t>(vtable);
        uint64_t fields_size = number<uint16_t>(fields), size = number<uint16_t>(fields + 2);
        if (fields_size < 4 || fields_size % 2 != 0 || fields + fields_size > length_ || size < 4)
            refuse("a table's vtable is damaged", at);
        claim(at, size);
        for (const Field& field : known.fields) {
            if (field.entry + 2u > fields_size) continue;
            uint64_t offset = number<uint16_t>(fields + field.entry);
            if (offset == 0) continue;
            if (offset + 4 > size || (at + offset) % 4 != 0) refuse("a field lies outside its table", at);
            follow_field(field, follow(at + offset));
        }
    }

    void follow_field(const Field& field, uint64_t at) {
        if (field.kind == FieldKind::string || field.kind == FieldKind::text) return string(at, field.kind);
        if (field.kind == FieldKind::table) return table(at, *field.table);
        if (field.kind == FieldKind::scalars) return static_cast<void>(vector(at, field.size));
        uint32_t count = vector(at, 4);
        for (uint64_t i = 0; i < count; ++i) {
            uint64_t child = follow(at + 4 + 4 * i);
            if (field.kind == FieldKind::strings) string(child);
            else table(child, *field.table);
        }
    }

    std::string where_;
    const uint8_t* graph_;
    uint64_t length_;
    std::vector<bool> claimed_;  // by 4 bytes
};

}  // namespace

void check_graph(const std::string& where, const uint8_t* graph, uint64_t length) {
    if (length < 8 || std::memcmp(graph + 4, fb::ModelIdentifier(), 4) != 0)
        model_error(where + ": graph", "it lacks the identifier", fb::ModelIdentifier(),
                    "the file is damaged: export it again");
    Walk(where, graph, length).root();
    constexpr flatbuffers::uoffset_t DEPTH = 8;
    flatbuffers::Verifier verifier(graph, static_cast<size_t>(length), DEPTH, MAX_FLATBUFFER_BYTES);
    if (!fb::VerifyModelBuffer(verifier))
        model_error(where + ": graph", "a field is missing, misplaced or not aligned", "a valid FlatBuffer",
                    "the file is damaged: export it again");
}

}  // namespace dsf
