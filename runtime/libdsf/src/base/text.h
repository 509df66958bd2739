// Text from files, paths and the environment: what is UTF-8, and what may reach a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dsf {

// Length of the UTF-8 character at text, of which `left` bytes remain, or 0 if there is none.
size_t utf8_length(const uint8_t* text, size_t left);

// The character of this length at text is one of C0, DEL or C1: U+0000-001F and U+007F-009F.
bool is_control(const uint8_t* text, size_t length);

// Writes controls, bidi controls, line separators and bytes that are no UTF-8 as escapes: \n, \x1b, \u202e. All else stays
// as it is.
std::string printable(const std::string& text);

}  // namespace dsf
