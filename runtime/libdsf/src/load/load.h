// From bytes to a checked model. The steps, in this order; each trusts what those before it have proved:
//
//   load.cpp    reads the file into memory of its own
//   frame.cpp   length, magic, version, flags, CRC, where the sections lie
//   graph.cpp   the FlatBuffer: every table, vector and string is whole, and referred to once
//   check.cpp   what the graph says: values, weights, nodes, shapes
#pragma once

#include "model.h"

namespace dsf {

std::shared_ptr<const Model> load_file(const char* path, const dsf_limits* limits);
std::shared_ptr<const Model> load_memory(const void* bytes, size_t length, const dsf_limits* limits);
// As load_memory, of bytes that stay as they are for as long as the model lives: copied only if they are not aligned.
std::shared_ptr<const Model> borrow_memory(const void* bytes, size_t length, const dsf_limits* limits);

constexpr size_t PREFIX_BYTES = 64;

struct Frame {
    uint16_t major, minor;
    const uint8_t* graph;
    uint64_t graph_length;
    const uint8_t* data;
    uint64_t data_length;
};

// Refuses a wrong prefix of a file of `length` bytes; its CRC is left to check_frame. prefix holds the first min(length, PREFIX_BYTES) bytes.
void check_prefix(const std::string& where, const uint8_t* prefix, uint64_t length);
// Finds the sections and refuses a wrong CRC, of bytes whose prefix check_prefix has passed.
Frame check_frame(const std::string& where, const uint8_t* bytes, uint64_t length);
void check_graph(const std::string& where, const uint8_t* graph, uint64_t length);
// Fills the model from the graph and proves what it says.
void check_model(Model& model, const Frame& frame);

}  // namespace dsf
