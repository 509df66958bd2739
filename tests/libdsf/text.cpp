// text: what is escaped before it is shown, and what stays
#include "base/text.h"

#include "expect.h"

int main() {
    using dsf::printable;
    EXPECT(printable("conv1.weight") == "conv1.weight");
    EXPECT(printable("каша 模型 🦆 é") == "каша 模型 🦆 é");
    EXPECT(printable("\x1b[2J\x07\r\n\t") == "\\x1b[2J\\x07\\r\\n\\t");
    EXPECT(printable("a\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0") == "a\\x7f\\x80\\x9b\\x9f\xc2\xa0");
    EXPECT(printable("\xe2\x80\xae\xd8\x9c\xe2\x80\xa8\xe2\x81\xa9\xe2\x80\x8f") ==
           "\\u202e\\u061c\\u2028\\u2069\\u200f");
    EXPECT(printable("\xe2\x80\x8d\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa") ==
           "\xe2\x80\x8d\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa");   // the neighbours of those, and the joiners
    EXPECT(printable("caf\xe9\xff.dsf") == "caf\\xe9\\xff.dsf");  // no UTF-8
    EXPECT(printable("\xe2\x80") == "\\xe2\\x80");                // cut short
    EXPECT(printable(std::string("a\0b", 3)) == "a\\x00b");
    EXPECT(printable(printable("\x1b")) == "\\x1b");
}
