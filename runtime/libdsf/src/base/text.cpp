// text: see the header. dsruntime/text.py escapes the same characters the same way.
#include "text.h"

namespace dsf {
namespace {

// Controls that show the letters after them in another order, and the separators of lines and paragraphs.
bool is_layout(uint32_t point) {
    return point == 0x61C || point == 0x200E || point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

uint32_t code_point(const uint8_t* text, size_t length) {
    if (length == 1) return text[0];
    uint32_t point = text[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; ++i) point = point << 6 | (text[i] & 0x3Fu);
    return point;
}

std::string escape(uint32_t code, char letter, int digits) {
    if (letter == 'x' && code == '\t') return "\\t";
    if (letter == 'x' && code == '\n') return "\\n";
    if (letter == 'x' && code == '\r') return "\\r";
    std::string text = {'\\', letter};
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += "0123456789abcdef"[code >> shift & 15];
    return text;
}

}  // namespace

size_t utf8_length(const uint8_t* text, size_t left) {
    uint8_t first = text[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || length > left) return 0;
    for (size_t i = 1; i < length; ++i)
        if ((text[i] & 0xC0) != 0x80) return 0;
    if (first == 0xE0 && text[1] < 0xA0) return 0;  // longer than need be
    if (first == 0xED && text[1] > 0x9F) return 0;  // a surrogate
    if (first == 0xF0 && text[1] < 0x90) return 0;  // longer than need be
    if (first == 0xF4 && text[1] > 0x8F) return 0;  // beyond U+10FFFF
    return length;
}

bool is_control(const uint8_t* text, size_t length) {
    if (length == 1) return text[0] < 0x20 || text[0] == 0x7F;
    return length == 2 && text[0] == 0xC2 && text[1] < 0xA0;
}

std::string printable(const std::string& text) {
    std::string shown;
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(text.data());
    for (size_t i = 0; i < text.size();) {
        const size_t length = utf8_length(bytes + i, text.size() - i);
        const uint32_t point = length == 0 ? bytes[i] : code_point(bytes + i, length);
        if (length == 0 || is_control(bytes + i, length)) shown += escape(point, 'x', 2);
        else if (is_layout(point)) shown += escape(point, 'u', 4);
        else shown.append(text, i, length);
        i += length == 0 ? 1 : length;
    }
    return shown;
}

}  // namespace dsf
